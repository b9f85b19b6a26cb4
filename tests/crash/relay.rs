//! Stands between platform and server and answers before it has asked: what a server would do that acknowledges
//! before it commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

use crate::server::client;

/// One in so many is answered and then lost, as in a crash before the commit.
const LOST_EVERY: usize = 7;

/// A relay; it ends with the value.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) url: String,
    handle: ServerHandle,
}

struct Way {
    target: String,
    passed: AtomicUsize,
}

impl Relay {
    /// Starts a relay to a server's address.
    pub(crate) fn start(target: &str) -> Self {
        let way = Arc::new(Way {
            target: target.to_owned(),
            passed: AtomicUsize::new(0),
        });
        let data = web::Data::from(way);
        let make = move || {
            let app = App::new().app_data(data.clone());
            app.default_service(web::to(pass))
        };
        let server = HttpServer::new(make).workers(1).disable_signals();
        let server = server.bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        let running = server.run();
        let handle = running.handle();
        tokio::spawn(running);
        Self { url, handle }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // The command is sent at once; only its end would be awaited.
        drop(self.handle.stop(false));
    }
}

async fn pass(way: web::Data<Way>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let passed = way.passed.fetch_add(1, Ordering::Relaxed);
    if !passed.is_multiple_of(LOST_EVERY) {
        let url = format!("http://{}{}", way.target, request.uri());
        let mut forwarded = client().post(url).body(body);
        for (name, value) in request.headers() {
            if name.as_str().starts_with("x-shopify-") {
                forwarded = forwarded.header(name.as_str(), value.as_bytes());
            }
        }
        let answer = forwarded.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
    }
    HttpResponse::Ok().body(r#"{"outcome":"accepted"}"#)
}
