//! A platform that answers by script, over real sockets, and can fail in the ways that sockets do.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use storekeeper::clock::{Clock, ManualClock, Timestamp};
use storekeeper::domain::call::{Answer, Call, Request};
use storekeeper::ids::{CallId, StoreId};
use storekeeper::platform::shopify::client::ShopifyClient;
use storekeeper::platform::{Account, Callback, ClientSettings, PlatformKind, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

pub(super) const TOKEN: &str = "shpat_never_shown";
pub(super) const KEY: Uuid = Uuid::from_u128(7);
pub(super) const CALLBACK: &str = "https://app.example/webhooks/shopify/t0k3n";

/// What to do with the next request.
pub(super) enum Step {
    Reply {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// Close without a word.
    Close,
    /// Promise more of a body than comes.
    CutOff,
    /// Say nothing until the other side gives up.
    Hang,
}

pub(super) fn reply(status: u16, body: impl Into<String>) -> Step {
    Step::Reply {
        status,
        headers: Vec::new(),
        body: body.into(),
    }
}

pub(super) fn ok(body: impl Into<Value>) -> Step {
    reply(200, body.into().to_string())
}

pub(super) fn with_header(step: Step, name: &'static str, value: impl Into<String>) -> Step {
    match step {
        Step::Reply {
            status,
            mut headers,
            body,
        } => {
            headers.push((name, value.into()));
            Step::Reply {
                status,
                headers,
                body,
            }
        }
        other @ (Step::Close | Step::CutOff | Step::Hang) => other,
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: HashMap<String, String>,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Value,
    pub(super) raw: Vec<u8>,
}

pub(super) struct Fake {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    pub(super) async fn start(script: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(serve(listener, script.into(), Arc::clone(&seen)));
        Self { url, seen }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn account(&self) -> Account {
        account(&self.url)
    }

    /// Sends one request with the system's clock.
    pub(super) async fn send(&self, request: Request) -> Answer {
        client(Clock::System)
            .send(&self.account(), &call(request))
            .await
    }

    /// Sends one request on a clock that moves only while somebody waits for it; returns how far it moved.
    pub(super) async fn send_paced(&self, request: Request) -> (Answer, i64) {
        let start = Timestamp::from_millis(0);
        let clock = ManualClock::starting_at(start);
        let client = client(Clock::Manual(clock.clone()));
        let account = self.account();
        let call = call(request);
        let sending = client.send(&account, &call);
        tokio::pin!(sending);
        loop {
            tokio::select! {
                biased;
                answer = &mut sending => return (answer, clock.now().millis_since(start)),
                () = tokio::task::yield_now() => {
                    if clock.sleepers() > 0 {
                        clock.advance_millis(10);
                    }
                }
            }
        }
    }
}

pub(super) fn account(url: &str) -> Account {
    Account {
        store: StoreId(1),
        platform: PlatformKind::Shopify,
        api_base_url: url.to_owned(),
        access_token: Secret::new(TOKEN),
        callback: Some(Callback::by_domain(CALLBACK)),
    }
}

pub(super) fn client(clock: Clock) -> ShopifyClient {
    let settings = ClientSettings {
        connect_timeout_ms: 2_000,
        // A machine that stands still for a moment is no platform that hangs.
        request_timeout_ms: 4_000,
        response_bytes_max: 64 * 1024,
        ..ClientSettings::default()
    };
    ShopifyClient::new(&settings, clock).unwrap()
}

pub(super) fn call(request: Request) -> Call {
    Call {
        id: CallId(KEY),
        request,
    }
}

async fn serve(listener: TcpListener, mut script: VecDeque<Step>, seen: Arc<Mutex<Vec<Seen>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let Some(request) = read_request(&mut stream).await else {
            continue;
        };
        seen.lock().unwrap().push(request);
        match script.pop_front() {
            Some(Step::Reply {
                status,
                headers,
                body,
            }) => {
                let mut head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n",
                    body.len()
                );
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                stream
                    .write_all(format!("{head}\r\n{body}").as_bytes())
                    .await
                    .unwrap();
            }
            Some(Step::CutOff) => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"data\"")
                    .await
                    .unwrap();
            }
            Some(Step::Hang) => {
                let _until_they_leave = stream.read(&mut [0; 1]).await;
            }
            Some(Step::Close) | None => {}
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let mut lines = head.lines();
    let (method, rest) = lines.next()?.split_once(' ')?;
    let target = format!("http://fake{}", rest.split(' ').next()?);
    let target = reqwest::Url::parse(&target).ok()?;
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    Some(Seen {
        method: method.to_owned(),
        path: target.path().to_owned(),
        query: target.query_pairs().into_owned().collect(),
        headers,
        body: serde_json::from_slice(&bytes[head_end..]).unwrap_or(Value::Null),
        raw: bytes[head_end..].to_vec(),
    })
}
