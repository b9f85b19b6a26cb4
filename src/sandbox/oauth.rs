//! Owns `POST /admin/oauth/access_token`: a code, or a refresh token, for an
//! access token.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{gate::domain_of, platform::Platform, tokens::REFRESH_TTL_S};

const SCOPE: &str = "read_products,read_orders,read_inventory,write_inventory,read_locations";

/// The fields of the body, as JSON or as a form.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Grant {
    client_id: String,
    client_secret: String,
    code: String,
    grant_type: String,
    refresh_token: String,
}

pub(super) async fn access_token(
    request: HttpRequest,
    body: Bytes,
    platform: Data<Platform>,
) -> HttpResponse {
    let grant = read_grant(&body);
    let domain = domain_of(&request);
    let now_ns = platform.clock.wall_ns();
    let granted = platform.look(&domain, |shop| {
        let mut secrets = shop.secrets.iter().filter(|secret| !secret.revoked);
        if !secrets.any(|secret| secret.text == grant.client_secret) {
            return Err("application_cannot_be_found");
        }
        if grant.grant_type == "refresh_token" {
            if !shop.tokens.redeem(now_ns, &grant.refresh_token) {
                return Err("invalid_grant");
            }
        } else if grant.code.is_empty() || grant.client_id.is_empty() {
            return Err("invalid_request");
        }
        let (access, refresh) = platform.issue_tokens(shop);
        Ok(token_body(&access, &refresh, shop.tokens.ttl_s()))
    });
    match granted {
        None => HttpResponse::NotFound().json(json!({ "errors": "Not Found" })),
        Some(Ok(body)) => HttpResponse::Ok().json(body),
        Some(Err(error)) => HttpResponse::BadRequest()
            .json(json!({ "error": error, "error_description": "The request was refused" })),
    }
}

fn read_grant(body: &[u8]) -> Grant {
    let as_form = || {
        let text = std::str::from_utf8(body).unwrap_or_default();
        actix_web::web::Query::<Grant>::from_query(text)
            .map_or_else(|_| Grant::default(), actix_web::web::Query::into_inner)
    };
    serde_json::from_slice(body).unwrap_or_else(|_| as_form())
}

fn token_body(access: &str, refresh: &str, ttl_s: Option<u64>) -> Value {
    match ttl_s {
        Some(ttl_s) => json!({
            "access_token": access,
            "scope": SCOPE,
            "expires_in": ttl_s,
            "refresh_token": refresh,
            "refresh_token_expires_in": REFRESH_TTL_S,
        }),
        None => json!({ "access_token": access, "scope": SCOPE }),
    }
}
