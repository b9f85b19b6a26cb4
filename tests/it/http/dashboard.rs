//! The operators' pages.

use reqwest::{Method, StatusCode};

use crate::support::app::{Answer, PATIENCE, TestApp};

pub(super) async fn sign_in(app: &TestApp) -> String {
    sign_in_with(app, app.admin_token()).await
}

/// Signs in with this token; gives the session's cookie.
pub(super) async fn sign_in_with(app: &TestApp, token: &str) -> String {
    let form = format!("token={token}");
    let answer = Answer::of(
        app.anyone()
            .request(Method::POST, "/admin/login")
            .body(form),
    )
    .await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/admin"),
        "{}",
        answer.text
    );
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    cookie.split(';').next().unwrap().to_owned()
}

pub(super) async fn read(app: &TestApp, cookie: &str, path: &str) -> Answer {
    Answer::of(
        app.anyone()
            .request(Method::GET, path)
            .header("cookie", cookie),
    )
    .await
}

pub(super) fn form_token(page: &str) -> &str {
    page.split("name=\"form_token\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
}

#[tokio::test]
async fn only_the_admin_token_signs_in() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    assert!(app.anyone().get("/admin").await.text.contains("Sign in"));
    for token in ["wrong", store.secret_key.as_str()] {
        let request = app
            .anyone()
            .request(Method::POST, "/admin/login")
            .body(format!("token={token}"));
        assert_eq!(Answer::of(request).await.status, 401);
    }
    let cookie = sign_in(&app).await;
    let page = read(&app, &cookie, "/admin").await;
    assert!(page.text.contains("one.myshopify.com"), "{}", page.text);
    assert!(page.text.contains("<span class=\"state "), "{}", page.text);
    assert_eq!(read(&app, &cookie, "/admin/dead-letters").await.status, 200);
    assert_eq!(
        app.anyone()
            .get("/admin/keepers/1")
            .await
            .header("location"),
        "/admin"
    );
    app.stop().await;
}

#[tokio::test]
async fn too_many_failures_are_slowed_down() {
    let app = TestApp::start().await;
    for _ in 0..10 {
        let request = app
            .anyone()
            .request(Method::POST, "/admin/login")
            .body("token=wrong");
        assert_eq!(Answer::of(request).await.status, 401);
    }
    let request = app
        .anyone()
        .request(Method::POST, "/admin/login")
        .body("token=wrong");
    Answer::of(request)
        .await
        .assert_problem(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts");
    app.stop().await;
}

#[tokio::test]
async fn a_form_needs_the_token_of_its_own_page() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let cookie = sign_in(&app).await;
    let act = |form: String| {
        let request = app
            .anyone()
            .request(Method::POST, "/admin/keepers/1")
            .header("cookie", &cookie);
        Answer::of(request.body(form))
    };
    let forged = act("form_token=guess&reason=test&verb=pause".to_owned()).await;
    forged.assert_problem(StatusCode::FORBIDDEN, "forged_form");
    let page = read(&app, &cookie, "/admin/keepers/1").await;
    let done = act(format!(
        "form_token={}&reason=stocktaking&verb=pause",
        form_token(&page.text)
    ))
    .await;
    assert_eq!(done.status, 303, "{}", done.text);
    let page = read(&app, &cookie, done.header("location")).await;
    assert!(
        page.text.contains("stocktaking") && page.text.contains("Paused"),
        "{}",
        page.text
    );
    app.stop().await;
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let page = read(&app, &cookie, "/admin").await;
    let form = format!("form_token={}", form_token(&page.text));
    let request = app
        .anyone()
        .request(Method::POST, "/admin/logout")
        .header("cookie", &cookie)
        .body(form);
    assert_eq!(Answer::of(request).await.status, 303);
    assert!(read(&app, &cookie, "/admin").await.text.contains("Sign in"));
    app.stop().await;
}

#[tokio::test]
async fn the_table_arrives_live_and_the_stream_ends_with_the_server() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    app.anyone()
        .get("/admin/live")
        .await
        .assert_problem(StatusCode::UNAUTHORIZED, "missing_credentials");
    let cookie = sign_in(&app).await;
    let request = app
        .anyone()
        .request(Method::GET, "/admin/live")
        .header("cookie", &cookie);
    let mut response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let first = tokio::time::timeout(PATIENCE, response.chunk())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let text = String::from_utf8_lossy(&first).into_owned();
    assert!(text.starts_with("event: fleet\n"), "{text}");
    let to_the_end = async { while response.chunk().await.unwrap().is_some() {} };
    tokio::join!(app.stop(), to_the_end);
}

#[tokio::test]
async fn a_browser_is_never_left_with_json() {
    let app = TestApp::start().await;
    assert_eq!(
        app.anyone().get("/admin/login").await.header("location"),
        "/admin"
    );
    let cookie = sign_in(&app).await;
    for (path, status) in [
        ("/admin/keepers/404", 404),
        ("/admin/keepers/no-id", 400),
        ("/admin?state=asleep", 400),
        ("/admin/nowhere", 404),
    ] {
        let request = app.anyone().request(Method::GET, path);
        let request = request.header("cookie", &cookie);
        let page = Answer::of(request.header("accept", "text/html,*/*;q=0.8")).await;
        assert_eq!(page.status, status, "{path}");
        assert!(page.text.contains("<nav>"), "{path}: {}", page.text);
    }
    let strange = app.anyone().get("/admin?state=asleep").await;
    assert_eq!(
        strange.status, 200,
        "whoever is not signed in is asked to, first"
    );
    app.stop().await;
}

#[tokio::test]
async fn dead_letters_are_narrowed_by_a_form_that_may_be_left_empty() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let page = read(&app, &cookie, "/admin/dead-letters?store=&class=poison").await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(
        page.text.contains("value=\"poison\" selected"),
        "{}",
        page.text
    );
    let done = read(&app, &cookie, "/admin/dead-letters?done=discard").await;
    assert!(done.text.contains("Forgotten."), "{}", done.text);
    app.stop().await;
}
