//! Stores as operators write and read them, and the bounds of what they write.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::clock::Timestamp;
use crate::db::admin::stores::{StoreRecord, StoreStatus};
use crate::http::error::{ApiError, Problem};
use crate::platform::PlatformKind;

/// Webhook secrets that one request may bring.
const SECRETS_MAX: usize = 10;
/// The longest secret or token, in bytes.
const SECRET_BYTES_MAX: usize = 4_096;
const NAME_CHARS_MAX: usize = 200;
const PLAN_CHARS_MAX: usize = 60;
const DOMAIN_BYTES_MAX: usize = 253;
const URL_BYTES_MAX: usize = 2_048;

/// A secret in a request body: never shown again, in logs least of all.
#[derive(Clone, PartialEq, Eq, utoipa::ToSchema)]
#[schema(value_type = String)]
pub(crate) struct WireSecret(String);

impl WireSecret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WireSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WireSecret(…)")
    }
}

impl<'de> Deserialize<'de> for WireSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let fit = (1..=SECRET_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fit {
            Ok(Self(text))
        } else {
            Err(serde::de::Error::custom(
                "a secret is one word of visible characters",
            ))
        }
    }
}

/// A store to be registered.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStoreBody {
    /// `shopify`.
    pub(crate) platform: String,
    /// The shop's own domain there.
    pub(crate) domain: String,
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Where the platform's API of the shop begins.
    pub(crate) api_base_url: String,
    pub(crate) access_token: WireSecret,
    /// Secrets that sign the shop's webhooks; at most 10.
    pub(crate) webhook_secrets: Vec<WireSecret>,
    /// The store's plan: its daily allowance, where `[quota]` names it. The platform's rate limits are learnt from its
    /// answers.
    #[serde(default)]
    pub(crate) plan: Option<String>,
}

/// What is to change of a store; what is absent stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StorePatchBody {
    pub(crate) name: Option<String>,
    pub(crate) api_base_url: Option<String>,
    pub(crate) access_token: Option<WireSecret>,
    pub(crate) plan: Option<String>,
    /// Secrets to add beside those that live.
    #[serde(default)]
    pub(crate) add_webhook_secrets: Vec<WireSecret>,
    /// Numbers of secrets that sign no longer.
    #[serde(default)]
    pub(crate) revoke_webhook_secrets: Vec<String>,
}

/// What was checked of a new store.
#[derive(Debug)]
pub(crate) struct CheckedStore {
    pub(crate) platform: PlatformKind,
    pub(crate) domain: String,
    pub(crate) api_base_url: String,
}

impl NewStoreBody {
    /// Checks what types cannot.
    pub(crate) fn check(&self) -> Result<CheckedStore, ApiError> {
        let platform = self.platform.parse::<PlatformKind>();
        let platform =
            platform.map_err(|_unknown| invalid("`platform` is not one of those served here"))?;
        check_length("name", self.name.as_deref(), NAME_CHARS_MAX)?;
        check_length("plan", self.plan.as_deref(), PLAN_CHARS_MAX)?;
        check_secrets(&self.webhook_secrets)?;
        Ok(CheckedStore {
            platform,
            domain: check_domain(&self.domain)?,
            api_base_url: check_url(&self.api_base_url)?,
        })
    }
}

impl StorePatchBody {
    /// Checks what types cannot; gives back the address, tidied, and the numbers of the secrets to revoke.
    pub(crate) fn check(&self) -> Result<(Option<String>, Vec<i64>), ApiError> {
        check_length("name", self.name.as_deref(), NAME_CHARS_MAX)?;
        check_length("plan", self.plan.as_deref(), PLAN_CHARS_MAX)?;
        check_secrets(&self.add_webhook_secrets)?;
        let number = |text: &String| {
            crate::http::extract::parse_id(text)
                .ok_or_else(|| invalid("`revoke_webhook_secrets` holds numbers of secrets"))
        };
        let revoke = self
            .revoke_webhook_secrets
            .iter()
            .map(number)
            .collect::<Result<Vec<i64>, ApiError>>()?;
        Ok((
            self.api_base_url.as_deref().map(check_url).transpose()?,
            revoke,
        ))
    }
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(Problem::InvalidField, detail)
}

fn check_length(field: &str, text: Option<&str>, chars_max: usize) -> Result<(), ApiError> {
    let fits = |text: &str| !text.trim().is_empty() && text.chars().count() <= chars_max;
    if text.is_none_or(fits) {
        Ok(())
    } else {
        Err(invalid(format!(
            "`{field}` is from 1 to {chars_max} characters"
        )))
    }
}

fn check_secrets(secrets: &[WireSecret]) -> Result<(), ApiError> {
    if secrets.len() <= SECRETS_MAX {
        return Ok(());
    }
    Err(invalid(format!(
        "at most {SECRETS_MAX} webhook secrets are taken at once"
    )))
}

/// A host name in lower case.
fn check_domain(text: &str) -> Result<String, ApiError> {
    let domain = text.trim().to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let fits = (1..=DOMAIN_BYTES_MAX).contains(&domain.len()) && domain.split('.').all(label);
    if fits {
        Ok(domain)
    } else {
        Err(invalid(
            "`domain` is a host name such as `shop.myshopify.com`",
        ))
    }
}

/// An HTTP address without credentials, query or fragment, and without a trailing `/`.
fn check_url(text: &str) -> Result<String, ApiError> {
    let refuse = || {
        invalid("`api_base_url` is an http or https address without credentials, query or fragment")
    };
    let text = text.trim();
    let parsed: actix_web::http::Uri = text.parse().ok().ok_or_else(refuse)?;
    let scheme = matches!(parsed.scheme_str(), Some("http" | "https"));
    let plain_host = parsed
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    let bare = parsed.query().is_none() && !text.contains('#');
    if scheme && plain_host && bare && text.len() <= URL_BYTES_MAX {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(refuse())
    }
}

/// What is shown of a new store once, and never again.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CreatedStore {
    pub(crate) id: String,
    /// Where the platform is to send the shop's webhooks.
    pub(crate) intake_url: String,
    /// Opens everything of the store.
    pub(crate) secret_key: String,
    /// Opens what a storefront shows.
    pub(crate) publishable_key: String,
}

/// A store, without anything secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct StoreDocument {
    id: String,
    platform: String,
    domain: String,
    name: Option<String>,
    api_base_url: String,
    plan: Option<String>,
    /// `installed` or `uninstalled`.
    status: &'static str,
    installed_at: String,
    updated_at: String,
    /// When the platform's access token expires, when it does.
    token_expires_at: Option<String>,
    /// The webhook secrets that live; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_secrets: Option<Vec<SecretDocument>>,
}

/// A webhook secret, known by its number.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SecretDocument {
    pub(crate) id: String,
    pub(crate) created_at: String,
}

impl StoreDocument {
    pub(crate) fn of(
        record: &StoreRecord,
        status: StoreStatus,
        webhook_secrets: Option<Vec<SecretDocument>>,
    ) -> Self {
        Self {
            id: record.id.to_string(),
            platform: record.platform.clone(),
            domain: record.domain.clone(),
            name: record.name.clone(),
            api_base_url: record.api_base_url.clone(),
            plan: record.plan.clone(),
            status: status.name(),
            installed_at: record.installed_at.to_rfc3339(),
            updated_at: record.updated_at.to_rfc3339(),
            token_expires_at: record.token_expires_at.map(Timestamp::to_rfc3339),
            webhook_secrets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_tidied_or_refused() {
        assert_eq!(
            check_url("http://127.0.0.1:9/shops/a.b/").unwrap(),
            "http://127.0.0.1:9/shops/a.b"
        );
        for refused in [
            "",
            "shop",
            "ftp://a",
            "https://u:p@a",
            "https://a/?x",
            "https://a/#x",
            "//a",
        ] {
            assert!(check_url(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn domains_are_host_names() {
        assert_eq!(
            check_domain("Shop.myshopify.com").unwrap(),
            "shop.myshopify.com"
        );
        for refused in ["", "a..b", "-a.b", "a b", "a/b", "ü.de"] {
            assert!(check_domain(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let body: NewStoreBody = serde_json::from_str(
            r#"{"platform":"shopify","domain":"a.b","api_base_url":"http://a","access_token":"shpat_x",
                "webhook_secrets":["shpss_x"]}"#,
        )
        .unwrap();
        assert!(!format!("{body:?}").contains("shp"));
    }
}
