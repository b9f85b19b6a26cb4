//! What the door is measured against: a server that only reads the body, and one that checks its signature, too.

use std::io::Write;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use storekeeper::platform::Secret;
use storekeeper::platform::shopify::signature::verify;

use crate::webhook::SECRET;

/// Serves until it is killed; says at which address.
pub(crate) fn serve(kind: &str) {
    let signed = kind == "signed";
    let system = actix_web::rt::System::new();
    let served = system.block_on(async move {
        let server = HttpServer::new(move || {
            let route = if signed {
                web::post().to(check)
            } else {
                web::post().to(read)
            };
            App::new().route("/webhooks", route)
        });
        let server = server
            .workers(2)
            .bind(("127.0.0.1", 0))
            .expect("a free port");
        println!("{}", server.addrs().first().expect("an address"));
        std::io::stdout().flush().expect("somebody listens");
        server.run().await
    });
    served.expect("it serves");
}

async fn read(body: web::Bytes) -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "bytes": body.len() }))
}

async fn check(request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let given = request.headers().get("x-shopify-hmac-sha256");
    let given = given
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let secrets = [Secret::new(SECRET)];
    match verify(&body, given, &secrets) {
        Ok(_) => HttpResponse::Ok().json(serde_json::json!({ "bytes": body.len() })),
        Err(_) => HttpResponse::Unauthorized().finish(),
    }
}
