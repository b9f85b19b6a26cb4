//! A real Chromium, driven through `WebDriver`: JSON over plain HTTP, of which the few commands needed here are spoken by
//! hand (the usual client stands on a crate that is not under a permissive licence).

use std::panic::AssertUnwindSafe;
use std::process::Stdio;
use std::time::Duration;

use futures_util::FutureExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use super::client::client;

/// How long anything here may take before the test fails; far more than it ever takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a page.
const LOOK: Duration = Duration::from_millis(25);
/// What Debian calls the driver.
const DRIVER: &str = "chromedriver";

/// The window of a browser.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    Wide,
    Phone,
}

/// A browser with one window.
#[derive(Debug)]
pub(crate) struct Browser {
    client: reqwest::Client,
    session: String,
    _driver: Child,
}

impl Browser {
    /// Gives a test a browser, and ends it also when the test fails.
    pub(crate) async fn lend(window: Window, test: impl AsyncFnOnce(&Browser)) {
        let browser = Self::start(window).await;
        let tested = AssertUnwindSafe(test(&browser)).catch_unwind().await;
        browser.ask(Method::DELETE, "", json!({})).await;
        if let Err(panic) = tested {
            std::panic::resume_unwind(panic);
        }
    }

    async fn start(window: Window) -> Self {
        let mut command = Command::new(DRIVER);
        command.arg("--port=0").stdout(Stdio::piped());
        let mut driver = command
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{DRIVER}: {error}; tests/run installs it"));
        let port = port_of(&mut driver).await;
        let mut browser = Self {
            client: client(),
            session: format!("http://127.0.0.1:{port}/session"),
            _driver: driver,
        };
        let (width, height) = match window {
            Window::Wide => (1440, 900),
            Window::Phone => (390, 844),
        };
        // Containers run tests as root, and have no sandbox to give.
        let mut options = json!({ "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
            format!("--window-size={width},{height}")] });
        if matches!(window, Window::Phone) {
            let metrics = json!({ "width": width, "height": height, "pixelRatio": 2 });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let begun = browser.ask(Method::POST, "", wanted).await;
        let id = begun["sessionId"].as_str().unwrap();
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        self.try_ask(method, path, body)
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    async fn try_ask(&self, method: Method, path: &str, body: Value) -> Result<Value, Value> {
        let request = self
            .client
            .request(method, format!("{}{path}", self.session))
            .json(&body);
        let answer = timeout(PATIENCE, request.send()).await.unwrap().unwrap();
        let is_success = answer.status().is_success();
        let text = answer.text().await.unwrap();
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        let value = answer["value"].take();
        if is_success { Ok(value) } else { Err(value) }
    }

    pub(crate) async fn open(&self, url: &str) {
        self.ask(Method::POST, "/url", json!({ "url": url })).await;
    }

    /// Runs a script in the page; gives what it returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.ask(Method::POST, "/execute/sync", body).await
    }

    /// Waits until the script says that it is so.
    pub(crate) async fn until(&self, what: &str, script: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut looks = tokio::time::interval(LOOK);
        // While a page gives way to the next one, no script runs.
        let body = json!({ "script": script, "args": [] });
        while self
            .try_ask(Method::POST, "/execute/sync", body.clone())
            .await
            != Ok(json!(true))
        {
            if Instant::now() >= deadline {
                let text = self.run("return document.body.innerText").await;
                panic!("never {what}: {text}");
            }
            looks.tick().await;
        }
    }

    /// Waits until the page says these words.
    pub(crate) async fn until_it_says(&self, words: &str) {
        let words_as_script = json!(words);
        let script = format!("return document.body.innerText.includes({words_as_script})");
        self.until(&format!("says {words:?}"), &script).await;
    }

    async fn find(&self, selector: &str) -> String {
        let body = json!({ "using": "css selector", "value": selector });
        let deadline = Instant::now() + PATIENCE;
        let mut looks = tokio::time::interval(LOOK);
        loop {
            let found = self.try_ask(Method::POST, "/element", body.clone()).await;
            if let Ok(Value::Object(element)) = &found {
                return element
                    .values()
                    .next()
                    .unwrap()
                    .as_str()
                    .unwrap()
                    .to_owned();
            }
            assert!(Instant::now() < deadline, "no {selector}: {found:?}");
            looks.tick().await;
        }
    }

    /// Types into a field.
    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        self.act(selector, "value", json!({ "text": text })).await;
    }

    /// Clicks, as a mouse does.
    pub(crate) async fn click(&self, selector: &str) {
        self.act(selector, "click", json!({})).await;
    }

    /// Does something with an element; finds it once more when a live page has drawn it anew meanwhile.
    async fn act(&self, selector: &str, verb: &str, body: Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let element = self.find(selector).await;
            let path = format!("/element/{element}/{verb}");
            let Err(error) = self.try_ask(Method::POST, &path, body.clone()).await else {
                return;
            };
            assert!(
                is_gone(&error) && Instant::now() < deadline,
                "{path}: {error}"
            );
        }
    }
}

/// Whether the element has been drawn anew since it was found, in any of the ways in which the driver says so.
fn is_gone(error: &Value) -> bool {
    let (name, message) = (error["error"].as_str(), error["message"].as_str());
    let said = ["does not belong to the document", "No node with given id"];
    let is_said = |message: &str| said.iter().any(|words| message.contains(words));
    matches!(name, Some("stale element reference" | "no such element"))
        || message.is_some_and(is_said)
}

/// The port that the driver says it listens at.
async fn port_of(driver: &mut Child) -> u16 {
    let stdout = driver.stdout.take().unwrap();
    let mut lines = BufReader::new(stdout).lines();
    let said = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            let port = line.rsplit_once("started successfully on port ");
            if let Some((_, port)) = port {
                return port.trim_end_matches('.').parse().unwrap();
            }
        }
        panic!("{DRIVER} ends without having started");
    };
    timeout(PATIENCE, said).await.unwrap()
}
