//! The dashboard as people meet it: in a real Chromium.

use reqwest::Method;
use serde_json::json;

use super::letter_edits::{given_up, until_applied};
use crate::support::app::{Answer, PATIENCE, TestApp, TestStore};
use crate::support::browser::{Browser, Window};

async fn sign_in(browser: &Browser, app: &TestApp, token: &str) {
    browser.open(&format!("{}/admin", app.url())).await;
    browser.type_into("input[name=token]", token).await;
    browser.click("form[action='/admin/login'] button").await;
    browser
        .until("signed in", "return !!document.getElementById('who')")
        .await;
}

/// Makes the keeper rest, so that webhooks stay in its backlog.
async fn quarantine(app: &TestApp, store: &TestStore) {
    let path = format!("/v1/admin/keepers/{}/quarantine", store.id);
    let answer = app.admin().post(&path, &json!({"reason": "a test"})).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    app.keeper_until(store, |keeper| keeper["state"] == "quarantined")
        .await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver, which tests/run installs"]
async fn a_backlog_falls_while_one_looks() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    quarantine(&app, &store).await;
    for number in 0..5 {
        let webhook = app.platform(&store).id(&format!("delivery-{number}"));
        assert_eq!(webhook.send().await.status, 200);
    }
    let backlog = |count: i64| {
        format!(
            "const cell = document.querySelector('tr[data-store=\"1\"] td.backlog');
             return window.untouched === true && !!cell && cell.innerText.trim() === '{count}'"
        )
    };
    Browser::lend(Window::Wide, async |browser| {
        sign_in(browser, &app, app.admin_token()).await;
        // Gone, should the page be loaded anew.
        browser.run("window.untouched = true").await;
        browser.until("shows 5 webhooks waiting", &backlog(5)).await;
        browser.until_it_says("in quarantine").await;
        let release = "/v1/admin/keepers/1/release";
        let reason = json!({"reason": "a test"});
        let released = app.admin().post(release, &reason).await;
        assert_eq!(released.status, 202, "{}", released.text);
        browser.until("shows none waiting", &backlog(0)).await;
    })
    .await;
    app.stop().await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver, which tests/run installs"]
async fn a_page_stays_true_while_one_types() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    quarantine(&app, &store).await;
    Browser::lend(Window::Wide, async |browser| {
        sign_in(browser, &app, app.admin_token()).await;
        open_store(browser, &app).await;
        let reason = "form.act input[name=reason]";
        browser.type_into(reason, "stocktaking").await;
        let webhook = app.platform(&store);
        assert_eq!(webhook.send().await.status, 200);
        let is_true = "return document.querySelector('#totals a').innerText.trim() === '1' \
                       && document.querySelector('form.act input[name=reason]').value === 'stocktaking'";
        browser.until("shows what waits", is_true).await;
        let path = "/v1/admin/keepers/1/release";
        let released = app.admin().post(path, &json!({"reason": "a test"})).await;
        assert_eq!(released.status, 202, "{}", released.text);
        let runs = "return document.querySelector('#state').innerText.trim() === 'running'";
        browser.until("shows that it runs", runs).await;
        browser.click("a[href='/admin/supervision']").await;
        browser.until_it_says("1 running").await;
        quarantine(&app, &store).await;
        browser.until_it_says("in quarantine").await;
    })
    .await;
    app.stop().await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver, which tests/run installs"]
async fn a_store_is_paused_and_resumed_with_a_reason() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    Browser::lend(Window::Wide, async |browser| {
        sign_in(browser, &app, app.admin_token()).await;
        open_store(browser, &app).await;
        // Enter chooses none of several buttons.
        let why = "form[action$='/standing'] input[name=reason]";
        browser.type_into(why, "too loud\u{E007}").await;
        browser.click("button[value=pause]").await;
        let held = "return document.querySelector('form.act').checkValidity() === false \
                    && location.search === ''";
        browser.until("insists on a reason", held).await;
        browser
            .type_into("form.act input[name=reason]", "stocktaking")
            .await;
        browser.click("button[value=pause]").await;
        browser.until_it_says("paused it: stocktaking").await;
        let shown = app.admin().get("/v1/admin/keepers/1").await.json();
        assert_eq!(shown["state"], "paused");
        browser
            .type_into("form.act input[name=reason]", "counted")
            .await;
        browser.click("button[value=resume]").await;
        browser
            .until(
                "goes on",
                "return document.getElementById('why').dataset.cause !== 'paused'",
            )
            .await;
    })
    .await;
    let audit = app
        .admin()
        .get("/v1/admin/audit?store=1&limit=3")
        .await
        .json();
    assert_eq!(audit["items"][0]["detail"], "counted");
    assert_eq!(audit["items"][1]["action"], "pause");
    assert_eq!(audit["items"][2]["action"], "register store");
    app.stop().await;
}

/// As its link in the live table does, which may be drawn anew while it is being clicked.
async fn open_store(browser: &Browser, app: &TestApp) {
    browser
        .open(&format!("{}/admin/keepers/1", app.url()))
        .await;
}

/// A webhook that nobody can read becomes a dead letter.
async fn give_up(app: &TestApp, store: &TestStore) {
    let webhook = app.platform(store).body("{\"id\":\"x\"}").send().await;
    assert_eq!(webhook.status, 200);
    let given_up = async {
        let count = "/v1/admin/dead-letters/count";
        while app.admin().get(count).await.json()["count"] != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, given_up).await.unwrap();
}

#[tokio::test]
#[ignore = "needs Chromium and its driver, which tests/run installs"]
async fn a_dead_letter_is_tried_again() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    give_up(&app, &store).await;
    Browser::lend(Window::Phone, async |browser| {
        sign_in(browser, &app, app.admin_token()).await;
        browser
            .open(&format!("{}/admin/dead-letters", app.url()))
            .await;
        browser
            .type_into("article.group input[name=reason]", "mended")
            .await;
        browser.click("article.group button[value=retry]").await;
        browser
            .until_it_says("1 wait to be applied once more")
            .await;
        for page in [
            "/admin",
            "/admin/keepers/1",
            "/admin/dead-letters",
            "/admin/audit",
        ] {
            browser.open(&format!("{}{page}", app.url())).await;
            let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
            browser.until(&format!("{page} fits a phone"), fits).await;
        }
    })
    .await;
    let audit = app.admin().get("/v1/admin/audit?limit=1").await.json();
    let deed = &audit["items"][0];
    assert_eq!(deed["action"], "retry dead letter", "{audit}");
    assert!(
        deed["detail"].as_str().unwrap().ends_with(": mended"),
        "{audit}"
    );
    app.stop().await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver, which tests/run installs"]
async fn a_viewer_may_look_and_not_act() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    give_up(&app, &store).await;
    let body = json!({"role": "viewer", "name": "Ann", "reason": "a test"});
    let made = app.admin().post("/v1/admin/tokens", &body).await.json();
    let token = made["token"].as_str().unwrap();
    Browser::lend(Window::Wide, async |browser| {
        sign_in(browser, &app, token).await;
        browser.until_it_says("Ann").await;
        let letters = app.admin().get("/v1/admin/dead-letters").await.json();
        let letter = letters["items"][0]["id"].as_str().unwrap();
        let letter = format!("/admin/dead-letters/{letter}");
        for page in ["/admin/keepers/1", "/admin/dead-letters", letter.as_str()] {
            browser.open(&format!("{}{page}", app.url())).await;
            browser.until_it_says("Storekeeper").await;
            let acts = browser.run("return document.querySelectorAll('button[name=verb]').length");
            assert_eq!(acts.await, 0, "{page}");
            let edits =
                browser.run("return document.querySelectorAll('a[href$=\"/edit\"]').length");
            assert_eq!(edits.await, 0, "{page}");
        }
        // Whoever sends the form all the same is refused.
        let send = "const form_token = document.querySelector('input[name=form_token]').value;
            const body = new URLSearchParams({form_token, reason: 'x', verb: 'pause'});
            return fetch('/admin/keepers/1', {method: 'POST', body}).then(answer => answer.status)";
        assert_eq!(browser.run(send).await, 403);
    })
    .await;
    let shown = Answer::of(app.admin().request(Method::GET, "/v1/admin/keepers/1")).await;
    assert_ne!(shown.json()["state"], "paused");
    app.stop().await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver, which tests/run installs"]
async fn a_dead_letter_is_edited_and_applied() {
    let app = TestApp::start().await;
    let (store, id) = given_up(&app).await;
    Browser::lend(Window::Phone, async |browser| {
        sign_in(browser, &app, app.admin_token()).await;
        let page = format!("{}/admin/dead-letters/{id}", app.url());
        browser.open(&page).await;
        browser.until_it_says("[redacted]").await;
        browser
            .click(&format!("a[href='/admin/dead-letters/{id}/edit']"))
            .await;
        // To the letter, in lines.
        let shown = "const body = document.querySelector('textarea[name=body]');
            return !!body && body.value.includes('\"total_price\": 19.90\\n')";
        browser.until("shows the body", shown).await;
        let edit = "const body = document.querySelector('textarea[name=body]');
            body.value = body.value.replace('\"anne@example.com\"', '5,');
            return true";
        browser.run(edit).await;
        let send = "form.edit .verbs button";
        browser.click(send).await;
        let insists = "return document.querySelector('form.edit').checkValidity() === false \
                       && location.pathname.endsWith('/edit')";
        browser.until("insists on a reason", insists).await;
        browser
            .type_into("form.edit input[name=reason]", "the app sent an address")
            .await;
        browser.click(send).await;
        browser.until_it_says("`body` is no JSON").await;
        let kept = "const form = document.querySelector('form.edit');
            form.body.value = form.body.value.replace('5,,', '5,');
            return form.reason.value === 'the app sent an address'";
        assert_eq!(browser.run(kept).await, true, "what was typed is kept");
        let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
        browser.until("fits a phone", fits).await;
        browser.click(send).await;
        browser
            .until_it_says("It waits to be applied with its new body.")
            .await;
    })
    .await;
    until_applied(&app, &store).await;
    let audit = app.admin().get("/v1/admin/audit?limit=1").await.json();
    let deed = &audit["items"][0];
    assert_eq!(deed["action"], "edit and retry dead letter", "{audit}");
    let detail = deed["detail"].as_str().unwrap();
    assert!(
        detail.contains("the app sent an address; changed id;"),
        "{audit}"
    );
    app.stop().await;
}

#[tokio::test]
#[ignore = "needs Chromium and its driver, which tests/run installs"]
async fn the_calls_of_a_store_are_shown_live() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    Browser::lend(Window::Phone, async |browser| {
        sign_in(browser, &app, app.admin_token()).await;
        open_store(browser, &app).await;
        browser.click("a[href='/admin/keepers/1/bucket']").await;
        assert_eq!(app.platform(&store).send().await.status, 200);
        browser.until_it_says("of 40 requests left").await;
        browser.until_it_says("of 2000 points left").await;
        let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
        browser.until("fits a phone", fits).await;
    })
    .await;
    app.stop().await;
}
