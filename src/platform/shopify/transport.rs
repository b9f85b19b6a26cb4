//! One call's conversation with the Admin API: requests out, replies in, and what they tell on the side.

use std::fmt::Write as _;

use reqwest::header::{DATE, HeaderMap, HeaderValue, LINK, RETRY_AFTER};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::domain::call::{Bar, CallError, Meter, RateReport};
use crate::platform::Account;
use crate::platform::shopify::client::ShopifyClient;
use crate::platform::shopify::errors::{self, Effect, TopLevelError};
use crate::platform::shopify::rate::{self, QueryCost};

const ACCESS_TOKEN: &str = "x-shopify-access-token";
const API_VERSION: &str = "x-shopify-api-version";
/// What the platform's support asks for.
const REQUEST_ID: &str = "x-request-id";
const CALL_LIMIT: &str = "x-shopify-shop-api-call-limit";

/// A call under way. Its requests are made one after another.
#[derive(Debug)]
pub(super) struct Session<'call> {
    client: &'call ShopifyClient,
    account: &'call Account,
    effect: Effect,
    /// Of the newest reply that told.
    pub(super) rate: Option<RateReport>,
    /// Of the newest reply that told.
    pub(super) platform_time: Option<Timestamp>,
    /// Of the newest request; `None`: it had no reply.
    pub(super) newest: Option<Trace>,
}

/// What finds a reply again in the platform's own logs.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
}

/// A reply of any status.
#[derive(Debug)]
pub(super) struct HttpReply {
    status: u16,
    retry_after: Option<String>,
    link: Option<String>,
    body: Vec<u8>,
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum TransportError {
    /// The platform cannot have seen the request.
    NotSent(String),
    /// It may have.
    Lost(String),
    /// It answered with more than we read.
    TooLarge,
}

impl HttpReply {
    pub(super) const fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The next page's cursor, from the `Link` header.
    pub(super) fn next_page(&self) -> Option<String> {
        self.link.as_deref().and_then(next_page_info)
    }

    fn success(self, effect: Effect) -> Result<Self, CallError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        Err(errors::classify_status(
            self.status,
            self.retry_after.as_deref(),
            &self.body,
            effect,
        ))
    }

    fn read<'body, T: serde::Deserialize<'body>>(
        &'body self,
        effect: Effect,
    ) -> Result<T, CallError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| effect.lost(format!("unreadable reply: {error}")))
    }
}

#[derive(Serialize)]
struct GraphqlRequest<'call, V> {
    query: &'call str,
    variables: V,
}

#[derive(serde::Deserialize)]
struct GraphqlReply<'body> {
    #[serde(borrow)]
    data: Option<&'body serde_json::value::RawValue>,
    #[serde(default, deserialize_with = "errors::entries")]
    errors: Vec<TopLevelError>,
    extensions: Option<Extensions>,
}

#[derive(serde::Deserialize)]
struct Extensions {
    cost: Option<QueryCost>,
}

impl<'call> Session<'call> {
    pub(super) const fn new(
        client: &'call ShopifyClient,
        account: &'call Account,
        effect: Effect,
    ) -> Self {
        Self {
            client,
            account,
            effect,
            rate: None,
            platform_time: None,
            newest: None,
        }
    }

    pub(super) const fn account(&self) -> &Account {
        self.account
    }

    /// A loss of the answer, by what this call does.
    pub(super) fn lost(&self, reason: impl Into<String>) -> CallError {
        self.effect.lost(reason)
    }

    /// Reads a page of a REST list, and the cursor of the next one.
    pub(super) async fn get_page<T: DeserializeOwned>(
        &mut self,
        resource: &str,
        query: &[(&str, &str)],
    ) -> Result<(T, Option<String>), CallError> {
        let request = self.client.http().get(self.url(resource)).query(query);
        let reply = self.exchange(request).await?.success(self.effect)?;
        Ok((reply.read(self.effect)?, reply.next_page()))
    }

    /// Reads one REST resource by its id; `None`: the platform itself says that there is none.
    pub(super) async fn get_one<T: DeserializeOwned>(
        &mut self,
        resource: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, CallError> {
        let request = self.client.http().get(self.url(resource)).query(query);
        let reply = self.exchange(request).await?;
        let by_the_platform = errors::is_in_its_own_words(&reply.body);
        match reply.status {
            404 if by_the_platform => Ok(None),
            422 if by_the_platform => {
                let message = String::from_utf8_lossy(&reply.body);
                Err(errors::rejected("422", &message))
            }
            _ => reply.success(self.effect)?.read(self.effect).map(Some),
        }
    }

    /// Runs a GraphQL operation and returns its `data`.
    pub(super) async fn graphql<D: DeserializeOwned>(
        &mut self,
        document: &str,
        variables: impl Serialize,
    ) -> Result<D, CallError> {
        let request = GraphqlRequest {
            query: document,
            variables,
        };
        let request = self
            .client
            .http()
            .post(self.url("graphql.json"))
            .json(&request);
        let reply = self.exchange(request).await?.success(self.effect)?;
        let reply: GraphqlReply<'_> = reply.read(self.effect)?;
        let cost = reply.extensions.and_then(|extensions| extensions.cost);
        self.rate = cost.map(QueryCost::report).or(self.rate);
        if !reply.errors.is_empty() {
            let wait_ms = cost.map(QueryCost::throttled_wait_ms);
            return Err(errors::classify_top_level(
                &reply.errors,
                wait_ms,
                self.effect,
            ));
        }
        // Errors come with `data` in which their part is null, so the data is only read when there are none.
        let data = reply
            .data
            .ok_or_else(|| self.effect.lost("reply without data"))?;
        serde_json::from_str(data.get())
            .map_err(|error| self.effect.lost(format!("unreadable reply: {error}")))
    }

    /// Waits until what the last request took has been restored.
    pub(super) async fn pace(&self, meter: Meter) {
        let clock = self.client.clock();
        clock
            .sleep_until(clock.now().plus_millis(rate::pace_ms(meter, self.rate)))
            .await;
    }

    fn url(&self, resource: &str) -> String {
        let base = self.account.api_base_url.trim_end_matches('/');
        format!("{base}/admin/api/{}/{resource}", self.client.api_version())
    }

    async fn exchange(&mut self, request: reqwest::RequestBuilder) -> Result<HttpReply, CallError> {
        let Ok(mut token) = HeaderValue::from_str(self.account.access_token.expose()) else {
            return Err(CallError::Barred(Bar::TokenDead));
        };
        token.set_sensitive(true);
        self.newest = None;
        let sent = request
            .header(ACCESS_TOKEN, token)
            .send()
            .await
            .map_err(judge);
        let response = sent.map_err(|error| self.classify_transport(error))?;
        self.note_headers(response.headers());
        self.newest = Some(Trace {
            status: response.status().as_u16(),
            request_id: text_of(response.headers(), REQUEST_ID).map(str::to_owned),
        });
        let reply = read_reply(response, self.client.response_bytes_max()).await;
        reply.map_err(|error| self.classify_transport(error))
    }

    fn classify_transport(&self, error: TransportError) -> CallError {
        match (error, self.effect) {
            (TransportError::NotSent(reason), _) => CallError::Unavailable { reason },
            (TransportError::Lost(reason), effect) => effect.lost(reason),
            (TransportError::TooLarge, Effect::Writes) => self.effect.lost("reply too large"),
            (TransportError::TooLarge, Effect::Reads) => {
                errors::rejected("REPLY_TOO_LARGE", "reply too large")
            }
        }
    }

    fn note_headers(&mut self, headers: &HeaderMap) {
        self.rate = text_of(headers, CALL_LIMIT)
            .and_then(rate::parse_call_limit)
            .or(self.rate);
        self.platform_time = text_of(headers, DATE.as_str())
            .and_then(Timestamp::parse_http_date)
            .or(self.platform_time);
        if let Some(served) = text_of(headers, API_VERSION) {
            self.client.note_version(served);
        }
    }
}

/// Reads a response to its end, unless it has more than `bytes_max`.
pub(super) async fn read_reply(
    mut response: reqwest::Response,
    bytes_max: usize,
) -> Result<HttpReply, TransportError> {
    let status = response.status().as_u16();
    let retry_after = text_of(response.headers(), RETRY_AFTER.as_str()).map(str::to_owned);
    let link = text_of(response.headers(), LINK.as_str()).map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| TransportError::Lost(describe(error)))?
    {
        if body.len().saturating_add(chunk.len()) > bytes_max {
            return Err(TransportError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpReply {
        status,
        retry_after,
        link,
        body,
    })
}

/// Tells whether the platform can have seen the request. A connection that was never made, or a request that could
/// not be built, was not sent; everything else may have been.
pub(super) fn judge(error: reqwest::Error) -> TransportError {
    let not_sent = error.is_connect() || error.is_dns() || error.is_builder();
    if not_sent {
        TransportError::NotSent(describe(error))
    } else {
        TransportError::Lost(describe(error))
    }
}

/// The error with its causes; without the address, which may hold a cursor.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        // Writing into a string does not fail.
        let _written = write!(text, ": {inner}").is_ok();
        cause = inner.source();
    }
    text
}

fn text_of<'headers>(headers: &'headers HeaderMap, name: &str) -> Option<&'headers str> {
    headers.get(name)?.to_str().ok()
}

/// Only the cursor is taken from the link: where to send it, and our token with it, is not the reply's to say.
fn next_page_info(link: &str) -> Option<String> {
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let address = next.split('<').nth(1)?.split('>').next()?;
    let address = reqwest::Url::parse(address).ok()?;
    address
        .query_pairs()
        .find(|(key, _)| key == "page_info")
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_cursor_is_found_among_links() {
        let link = concat!(
            "<https://shop.example/admin/api/2026-10/orders.json?limit=250&page_info=before>; rel=\"previous\", ",
            "<https://shop.example/admin/api/2026-10/orders.json?page_info=eyJ%3D&limit=250>; rel=\"next\"",
        );
        assert_eq!(next_page_info(link).as_deref(), Some("eyJ="));
        for none in [
            "",
            "<https://a.example/?page_info=1>; rel=\"previous\"",
            "<nonsense>; rel=\"next\"",
            "rel=\"next\"",
        ] {
            assert_eq!(next_page_info(none), None, "{none}");
        }
    }
}
