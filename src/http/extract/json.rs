//! Bodies and queries, strictly: bounded, typed, and without fields that nobody asked for.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use crate::http::error::{ApiError, Problem};
use crate::http::extract::OnlyObject;

/// The largest JSON body, in bytes. Nesting is bounded by the parser, at 128 levels.
const JSON_BYTES_MAX: usize = 256 * 1024;

/// The longest complaint of a parser that is passed on, in characters.
const DETAIL_CHARS_MAX: usize = 500;

/// Parameters among which the one that cannot be understood is looked for.
const PARAMETERS_MAX: usize = 16;
/// The longest name of a parameter that is quoted.
const NAME_CHARS_MAX: usize = 32;

/// Time in which a body arrives whole; webhooks have less.
pub(crate) const BODY_WITHIN: Duration = Duration::from_secs(10);

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
            let raw = read_body(&request, payload, JSON_BYTES_MAX, BODY_WITHIN).await?;
            let value = parse_json(&raw)?;
            Ok(Self { who, value, raw })
        })
    }
}

impl<T: DeserializeOwned> FromRequest for StrictQuery<T> {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        std::future::ready(parse_query(request.query_string()).map(Self))
    }
}

/// Reads a body of exactly this type.
pub(crate) fn parse_json<T: DeserializeOwned>(raw: &[u8]) -> Result<T, ApiError> {
    if raw.is_empty() {
        return Err(ApiError::plain(Problem::EmptyBody));
    }
    refuse_control_characters(raw)?;
    parse_json_with_lines(raw)
}

/// The same where a text may have lines.
pub(super) fn parse_json_with_lines<T: DeserializeOwned>(raw: &[u8]) -> Result<T, ApiError> {
    let read = serde_json::from_slice(raw).map(|OnlyObject(value)| value);
    read.map_err(|error| describe(&error))
}

/// Reads a query of exactly this type.
pub(crate) fn parse_query<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    match web::Query::<T>::from_query(query) {
        Ok(parsed) => Ok(parsed.into_inner()),
        Err(error) => {
            let said = error.to_string();
            let said = said
                .strip_prefix("Query deserialize error: ")
                .unwrap_or(&said);
            let said = without_values(said);
            let detail = match culprit::<T>(query) {
                Some(name) if !said.contains(name) => format!("`{name}`: {said}"),
                Some(_) | None => said,
            };
            Err(ApiError::new(Problem::MalformedQuery, detail))
        }
    }
}

/// The parameter without which the query could be read: the parser does not tell whose value it could not understand.
fn culprit<T: DeserializeOwned>(query: &str) -> Option<&str> {
    let pairs: Vec<&str> = query.split('&').take(PARAMETERS_MAX).collect();
    let alone = pairs.iter().enumerate().find(|(place, _pair)| {
        let others = pairs.iter().enumerate().filter(|(other, _)| other != place);
        let others: Vec<&str> = others.map(|(_other, pair)| *pair).collect();
        web::Query::<T>::from_query(&others.join("&")).is_ok()
    });
    let (name, _value) = alone?.1.split_once('=')?;
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    ((1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_plain)).then_some(name)
}

/// Texts are one line of visible characters: databases differ in what else they keep, and so do those who show it.
fn refuse_control_characters(raw: &[u8]) -> Result<(), ApiError> {
    let refuse = |detail| Err(ApiError::new(Problem::MalformedJson, detail));
    match std::str::from_utf8(raw) {
        Ok(text) if holds_control_characters(text) => {
            refuse("texts without control characters are taken here")
        }
        Ok(_) => Ok(()),
        // The parser would quote what comes before that, control characters included.
        Err(_) => refuse("the body is not UTF-8"),
    }
}

/// Whether a text in this JSON holds a control character. The parser refuses those that are not escaped, but for DEL and
/// the few beyond ASCII.
fn holds_control_characters(json: &str) -> bool {
    let mut characters = json.chars();
    while let Some(character) = characters.next() {
        let is_control = match character {
            '\\' => is_escaped_control(&mut characters),
            '\u{0}'..='\u{1f}' => false,
            other => other.is_control(),
        };
        if is_control {
            return true;
        }
    }
    false
}

/// Takes what follows a backslash.
fn is_escaped_control(escape: &mut std::str::Chars<'_>) -> bool {
    match escape.next() {
        Some('b' | 'f' | 'n' | 'r' | 't') => true,
        Some('u') => {
            let digits: String = escape.take(4).collect();
            let code = u32::from_str_radix(&digits, 16).ok();
            code.and_then(char::from_u32).is_some_and(char::is_control)
        }
        Some(_) | None => false,
    }
}

pub(super) fn require_json(request: &HttpRequest) -> Result<(), ApiError> {
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

/// Reads a body up to a bound, and no longer than `within`. What is announced to be larger is refused before it is read.
pub(crate) async fn read_body(
    request: &HttpRequest,
    payload: Payload,
    max: usize,
    within: Duration,
) -> Result<Bytes, ApiError> {
    tokio::time::timeout(within, read_chunks(request, payload, max))
        .await
        .unwrap_or_else(|_elapsed| Err(ApiError::plain(Problem::RequestTimeout)))
}

async fn read_chunks(
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

/// The parser quotes what it found; a value in the wrong place may be a secret, so it is cut out. Names are quoted too,
/// whatever their length, and not all of them need to come back.
fn without_values(message: &str) -> String {
    let told = match message.split_once("string \"") {
        None => message.to_owned(),
        Some((before, rest)) => match rest.rsplit_once("\", expected") {
            Some((_value, after)) => format!("{before}a string, expected{after}"),
            None => format!("{before}a string"),
        },
    };
    told.chars().take(DETAIL_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_found_however_they_are_written() {
        for found in [
            r#"{"name":"a\u0000b"}"#,
            r#"{"name":"\\\n"}"#,
            r#"["\u007f"]"#,
            r#"["\u0085"]"#,
            "[\"\u{85}\"]",
            "[\"\u{7f}\"]",
        ] {
            assert!(holds_control_characters(found), "{found}");
        }
        for plain in [
            "{\n\t\"name\": \"a\"\r\n}",
            r#"["C:\\new", "\"", "\/", "\u00e9", "\ud83d\ude00", "é"]"#,
            "not JSON \\",
        ] {
            assert!(!holds_control_characters(plain), "{plain}");
        }
    }

    #[test]
    fn a_misplaced_value_is_not_repeated() {
        let error = serde_json::from_str::<Vec<String>>("\"shpss_secret\"").unwrap_err();
        let text = describe(&error).detail().to_owned();
        assert!(!text.contains("shpss"), "{text}");
        assert!(text.contains("expected a sequence"), "{text}");
    }
}
