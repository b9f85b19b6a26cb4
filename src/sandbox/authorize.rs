//! Owns `GET /admin/oauth/authorize`: a merchant who always agrees is sent
//! back to the app with a code, signed by the app's secret.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Query},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use reqwest::Url;
use serde::Deserialize;

use super::{gate::domain_of, platform::Platform, sending};

const NANOS_PER_S: i64 = 1_000_000_000;

/// What the app asks with.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    client_id: String,
    scope: String,
    redirect_uri: String,
    state: String,
}

pub(super) async fn authorize(request: HttpRequest, platform: Data<Platform>) -> HttpResponse {
    let asked = Query::<Asked>::from_query(request.query_string());
    let asked = asked.map(Query::into_inner).unwrap_or_default();
    let back = match back_of(&asked) {
        Ok(back) => back,
        Err(text) => {
            return HttpResponse::BadRequest().body(format!("Oauth error invalid_request: {text}"));
        }
    };
    let domain = domain_of(&request);
    let secret = platform.look(&domain, |shop| shop.signing_secret().to_owned());
    let Some(secret) = secret else {
        return HttpResponse::NotFound().finish();
    };
    let code = platform.chance.secret("");
    // The app holds the stamp against its own clock, which is no faster than the wall's.
    let stamp = (platform.clock.wall_now().nanos() / NANOS_PER_S).to_string();
    let pairs = [
        ("code", code.as_str()),
        ("host", &STANDARD_NO_PAD.encode(format!("{domain}/admin"))),
        ("shop", &domain),
        ("state", &asked.state),
        ("timestamp", &stamp),
    ];
    HttpResponse::Found()
        .insert_header((header::LOCATION, signed(back, &pairs, &secret)))
        .finish()
}

/// Where the merchant goes afterwards, when the app asks properly.
fn back_of(asked: &Asked) -> Result<Url, &'static str> {
    let given = [
        (&asked.client_id, "client_id is missing"),
        (&asked.scope, "scope is missing"),
        (&asked.redirect_uri, "redirect_uri is missing"),
        (&asked.state, "state is missing"),
    ];
    if let Some((_, text)) = given.into_iter().find(|(value, _)| value.is_empty()) {
        return Err(text);
    }
    let back = Url::parse(&asked.redirect_uri).ok();
    let back = back.filter(|back| ["http", "https"].contains(&back.scheme()));
    back.ok_or("redirect_uri is not an address")
}

/// The address with the pairs, which are sorted, and their HMAC.
fn signed(mut back: Url, pairs: &[(&str, &str)], secret: &str) -> String {
    // The HMAC is over the platform's own pairs; an app's address has none.
    back.set_query(None);
    back.query_pairs_mut().extend_pairs(pairs);
    let message = back.query().unwrap_or_default().to_owned();
    let hmac = sending::sign_hex(secret, message.as_bytes());
    back.query_pairs_mut().append_pair("hmac", &hmac);
    back.into()
}
