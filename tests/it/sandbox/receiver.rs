//! A receiver of webhooks that keeps what it gets and answers as told.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use storekeeper::sandbox::{Sandbox, SandboxOptions, ShopOpened, ShopRequest};

/// Most wall time any test waits for deliveries.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
pub(crate) const DOMAIN: &str = "toys.myshopify.com";

/// One webhook as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) topic: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) raw: Vec<u8>,
}

impl Received {
    pub(crate) fn body(&self) -> Value {
        serde_json::from_slice(&self.raw).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(&self.raw);
        let wanted = STANDARD.encode(mac.finalize().into_bytes());
        self.header("X-Shopify-Hmac-SHA256") == Some(wanted.as_str())
    }
}

/// A server on a free port.
#[derive(Clone)]
pub(crate) struct Receiver {
    port: u16,
    kept: Arc<Mutex<Vec<Received>>>,
    status: Arc<AtomicU16>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            kept: Arc::default(),
            status: Arc::new(AtomicU16::new(200)),
        };
        let data = receiver.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(data.clone()))
                .default_service(web::to(receive))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        tokio::spawn(server);
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks", self.port)
    }

    pub(crate) fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn all(&self) -> Vec<Received> {
        self.kept.lock().unwrap().clone()
    }

    pub(crate) fn of(&self, topic: &str) -> Vec<Received> {
        let mut all = self.all();
        all.retain(|received| received.topic == topic);
        all
    }
}

async fn receive(
    receiver: web::Data<Receiver>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let headers = request.headers().iter();
    let headers: Vec<(String, String)> = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let topic = request.headers().get("X-Shopify-Topic");
    let topic = topic.map_or("", |topic| topic.to_str().unwrap());
    receiver.kept.lock().unwrap().push(Received {
        topic: topic.to_owned(),
        headers,
        raw: body.to_vec(),
    });
    let status = receiver.status.load(Ordering::SeqCst);
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).finish()
}

/// A sandbox with one shop whose webhooks of `topics` come to a receiver.
pub(crate) async fn shop_with(
    options: SandboxOptions,
    request: &ShopRequest,
    topics: &[&str],
) -> (Sandbox, ShopOpened, Receiver) {
    let sandbox = Sandbox::start(options).await.unwrap();
    let opened = sandbox.open_shop(request).unwrap();
    let receiver = Receiver::start();
    sandbox
        .subscribe(&request.domain, &receiver.url(), topics)
        .unwrap();
    (sandbox, opened, receiver)
}
