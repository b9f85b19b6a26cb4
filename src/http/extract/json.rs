//! Bodies and queries, strictly: bounded, typed, and without fields that nobody asked for.

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use crate::http::error::{ApiError, Problem};

/// The largest JSON body, in bytes. Nesting is bounded by the parser, at 128 levels.
const JSON_BYTES_MAX: usize = 256 * 1024;

/// A body that was JSON of exactly this type, from somebody who may send it. `raw` is what was sent, for digests.
///
/// Who asks is found out first: bodies of strangers are not read.
#[derive(Debug)]
pub(crate) struct StrictJson<Who, T> {
    pub(crate) who: Who,
    pub(crate) value: T,
    pub(crate) raw: Bytes,
}

/// A query of exactly this type.
#[derive(Debug)]
pub(crate) struct StrictQuery<T>(pub(crate) T);

impl<Who, T> FromRequest for StrictJson<Who, T>
where
    Who: FromRequest<Error = ApiError> + 'static,
    T: DeserializeOwned + 'static,
{
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let who = Who::from_request(&request, &mut Payload::None).await?;
            require_json(&request)?;
            let raw = read_body(&request, payload, JSON_BYTES_MAX).await?;
            if raw.is_empty() {
                return Err(ApiError::plain(Problem::EmptyBody));
            }
            let value = serde_json::from_slice(&raw).map_err(|error| describe(&error))?;
            Ok(Self { who, value, raw })
        })
    }
}

impl<T: DeserializeOwned> FromRequest for StrictQuery<T> {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let parsed = web::Query::<T>::from_query(request.query_string());
        std::future::ready(match parsed {
            Ok(query) => Ok(Self(query.into_inner())),
            Err(error) => Err(ApiError::new(
                Problem::MalformedQuery,
                without_values(&error.to_string()),
            )),
        })
    }
}

fn require_json(request: &HttpRequest) -> Result<(), ApiError> {
    let given = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = given
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") {
        return Ok(());
    }
    Err(ApiError::new(
        Problem::UnsupportedMediaType,
        "the body is to be `application/json`",
    ))
}

/// Reads a body up to a bound. What is announced to be larger is refused before it is read.
pub(crate) async fn read_body(
    request: &HttpRequest,
    mut payload: Payload,
    max: usize,
) -> Result<Bytes, ApiError> {
    let too_large = || {
        ApiError::new(
            Problem::PayloadTooLarge,
            format!("at most {max} bytes are taken here"),
        )
    };
    let announced = announced_length(request)?;
    if announced.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or(0));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_source| ApiError::plain(Problem::UnreadableBody))?;
        if body.len() + chunk.len() > max {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn announced_length(request: &HttpRequest) -> Result<Option<usize>, ApiError> {
    let Some(value) = request.headers().get(header::CONTENT_LENGTH) else {
        return Ok(None);
    };
    let parsed = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    parsed
        .map(Some)
        .ok_or_else(|| ApiError::new(Problem::MalformedHeader, "`Content-Length` is not a number"))
}

fn describe(error: &serde_json::Error) -> ApiError {
    ApiError::new(Problem::MalformedJson, without_values(&error.to_string()))
}

/// The parser quotes what it found; a value in the wrong place may be a secret, so it is cut out.
fn without_values(message: &str) -> String {
    let Some((before, rest)) = message.split_once("string \"") else {
        return message.to_owned();
    };
    match rest.rsplit_once("\", expected") {
        Some((_value, after)) => format!("{before}a string, expected{after}"),
        None => format!("{before}a string"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misplaced_value_is_not_repeated() {
        let error = serde_json::from_str::<Vec<String>>("\"shpss_secret\"").unwrap_err();
        let text = describe(&error).detail().to_owned();
        assert!(!text.contains("shpss"), "{text}");
        assert!(text.contains("expected a sequence"), "{text}");
    }
}
