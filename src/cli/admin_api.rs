//! A running server's admin API, as shell commands use it.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use super::error::CliError;
use crate::config::{AdminConfig, Secret};
use crate::ids::IdSource;

/// How long an answer may take: longer than a command may wait at its store.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Rows asked for at once.
const PAGE_ROWS: u32 = 250;
/// Pages that one list reads; a longer list says that it was cut.
const PAGES_MAX: usize = 400;

/// The way to a running server.
pub(super) struct AdminApi {
    client: Client,
    url: String,
    token: Secret,
}

/// A list, and whether it goes on beyond what was read.
pub(super) struct Listed {
    pub(super) rows: Vec<Value>,
    pub(super) cut: bool,
}

impl AdminApi {
    pub(super) fn new(config: AdminConfig) -> Result<Self, CliError> {
        let AdminConfig { url, token } = config;
        if token.is_empty() {
            return Err(CliError::NoToken);
        }
        let client = Client::builder().timeout(TIMEOUT).build();
        let client = client.map_err(|error| unreachable(&url, &error))?;
        Ok(Self { client, url, token })
    }

    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, CliError> {
        self.send(Method::GET, path, query, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.send(Method::PUT, path, &[], Some(body)).await
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.send(Method::PATCH, path, &[], Some(body)).await
    }

    /// Reads a list page by page. Each page is an object with `next` and one array.
    pub(super) async fn list(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Listed, CliError> {
        let mut rows = Vec::new();
        let mut cursor: Option<String> = None;
        let limit = PAGE_ROWS.to_string();
        for _page in 0..PAGES_MAX {
            let mut query = query.to_vec();
            query.push(("limit", &limit));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = self.get(path, &query).await?;
            rows.extend(
                page.as_object()
                    .into_iter()
                    .flat_map(|page| page.values())
                    .filter_map(Value::as_array)
                    .flatten()
                    .cloned(),
            );
            cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(Listed { rows, cut: false });
            }
        }
        Ok(Listed { rows, cut: true })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, CliError> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .query(query)
            .bearer_auth(self.token.reveal());
        if let Some(body) = body {
            let key = IdSource::from_os().random_uuid();
            request = request
                .json(body)
                .header("Idempotency-Key", key.to_string());
        }
        let response = request
            .send()
            .await
            .map_err(|error| unreachable(&self.url, &error))?;
        let status = response.status();
        let text = response
            .text()
            .await
            .map_err(|error| unreachable(&self.url, &error))?;
        answer(status, &text)
    }
}

fn answer(status: StatusCode, text: &str) -> Result<Value, CliError> {
    let body: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(body);
    }
    let field = |name: &str| body.get(name).and_then(Value::as_str);
    let said = field("detail")
        .or_else(|| field("title"))
        .unwrap_or("no reason was given");
    let code = field("code").unwrap_or("no code");
    let request = field("request_id")
        .map(|id| format!(", request {id}"))
        .unwrap_or_default();
    Err(CliError::Refused(format!(
        "{said} ({status}, {code}{request})"
    )))
}

fn unreachable(url: &str, error: &reqwest::Error) -> CliError {
    let mut reason = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(inner) = cause {
        reason = inner.to_string();
        cause = inner.source();
    }
    CliError::Unreachable {
        url: url.to_owned(),
        reason,
    }
}
