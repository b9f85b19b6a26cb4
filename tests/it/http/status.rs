//! The doors for whoever watches.

use reqwest::{Method, StatusCode};

use crate::support::app::{Answer, PATIENCE, TestApp};

#[tokio::test]
async fn a_fresh_server_lives_and_is_ready() {
    let app = TestApp::start().await;
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/status",
        "/docs",
        "/openapi.json",
    ] {
        let answer = app.anyone().get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(
            answer
                .header("content-security-policy")
                .contains("default-src 'none'")
        );
    }
    assert_eq!(
        Answer::of(app.anyone().request(Method::HEAD, "/healthz"))
            .await
            .status,
        200
    );
    assert_eq!(app.anyone().get("/").await.header("location"), "/status");
    app.stop().await;
}

#[tokio::test]
async fn the_status_page_is_json_for_who_asks() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let request = app
        .anyone()
        .request(Method::GET, "/status")
        .header("accept", "application/json");
    let status = Answer::of(request).await.json();
    assert_eq!(status["ready"], true);
    assert_eq!(status["stores"], 1);
    assert_eq!(status["backlog"], 0);
    assert_eq!(status["per_store"][0]["store"], "1");
    app.stop().await;
}

#[tokio::test]
async fn what_is_read_has_a_tag_and_is_not_sent_twice() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let reads = [
        "/status",
        "/v1/admin/keepers/1/why",
        "/v1/admin/dead-letters/count",
    ];
    for path in reads {
        let get = |tag: &str| {
            let request = app.admin().request(Method::GET, path);
            let request = request.header("accept", "application/json");
            Answer::of(request.header("if-none-match", tag))
        };
        // What a keeper waits for may change between two looks, and the status tells its instant.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut tag = "\"none\"".to_owned();
        loop {
            let read = get(&tag).await;
            assert_eq!(read.header("etag").len(), 34, "{path}: {}", read.text);
            if read.status == 304 {
                assert_eq!(read.text, "");
                break;
            }
            assert_eq!(read.status, 200, "{path}: {}", read.text);
            assert!(tokio::time::Instant::now() < deadline, "{path}");
            read.header("etag").clone_into(&mut tag);
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn a_request_keeps_the_name_that_it_came_with() {
    let app = TestApp::start().await;
    let named = app
        .anyone()
        .request(Method::GET, "/healthz")
        .header("x-request-id", "mine-1");
    assert_eq!(Answer::of(named).await.header("x-request-id"), "mine-1");
    let unfit = app
        .anyone()
        .request(Method::GET, "/healthz")
        .header("x-request-id", "two words");
    let given = Answer::of(unfit).await.header("x-request-id").to_owned();
    assert!(!given.is_empty() && given != "two words");
    app.stop().await;
}

#[tokio::test]
async fn nothing_is_served_elsewhere() {
    let app = TestApp::start().await;
    app.anyone()
        .get("/nowhere")
        .await
        .assert_problem(StatusCode::NOT_FOUND, "route_not_found");
    let put = Answer::of(app.anyone().request(Method::PUT, "/v1/admin/stores")).await;
    put.assert_problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
    assert_eq!(put.header("allow"), "GET, HEAD, POST");
    app.stop().await;
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let app = TestApp::start().await;
    for path in [
        "/",
        "/status",
        "/docs",
        "/openapi.json",
        "/metrics",
        "/admin",
    ] {
        let head = Answer::of(app.anyone().request(Method::HEAD, path)).await;
        let got = app.anyone().get(path).await;
        assert_eq!(
            (head.status, head.text.as_str()),
            (got.status, ""),
            "{path}"
        );
        assert_eq!(
            head.header("content-type"),
            got.header("content-type"),
            "{path}"
        );
    }
    let refused = Answer::of(app.anyone().request(Method::HEAD, "/v1/admin/stores")).await;
    assert_eq!((refused.status, refused.text.as_str()), (401, ""));
    app.stop().await;
}

#[tokio::test]
async fn a_method_that_is_not_served_is_answered_with_those_that_are() {
    let app = TestApp::start().await;
    for (path, served) in [
        ("/", "GET, HEAD"),
        ("/assets/storekeeper.css", "GET, HEAD"),
        ("/admin/logout", "POST"),
        ("/admin/keepers/1", "GET, HEAD, POST"),
        ("/v1/admin/keepers/1/pause", "POST"),
        ("/v1/stores/1/availability", "GET, HEAD, OPTIONS"),
    ] {
        let answer = Answer::of(app.anyone().request(Method::DELETE, path)).await;
        answer.assert_problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
        assert_eq!(answer.header("allow"), served, "{path}");
    }
    app.stop().await;
}

#[tokio::test]
async fn people_are_refused_with_a_page() {
    let app = TestApp::start().await;
    let browse = async |path: &str, accept: &str| {
        let request = app.anyone().request(Method::GET, path);
        Answer::of(request.header("accept", accept)).await
    };
    let page = browse("/nowhere", "text/html,application/xhtml+xml,*/*;q=0.8").await;
    assert_eq!(page.status, 404);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for told in [
        "There is nothing at this address",
        "route_not_found",
        page.header("x-request-id"),
    ] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    for accept in [
        "*/*",
        "application/json, text/html",
        "application/problem+json",
    ] {
        let document = browse("/nowhere", accept).await;
        document.assert_problem(StatusCode::NOT_FOUND, "route_not_found");
    }
    app.stop().await;
}
