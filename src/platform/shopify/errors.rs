//! Why a call brought nothing: the platform's many ways to refuse, in the few classes that we act upon.

use crate::domain::call::{Bar, CallError, UserError, UserErrorCode};
use crate::platform::shopify::rate::parse_retry_after_ms;

/// The longest message of the platform that is kept, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// Whether losing the answer leaves a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Repeating it changes nothing.
    Reads,
    /// It may have been executed.
    Writes,
}

impl Effect {
    /// The request may have arrived, but its answer did not, or makes no sense.
    pub(super) fn lost(self, reason: impl Into<String>) -> CallError {
        let reason = clip(&reason.into());
        match self {
            Self::Reads => CallError::Unavailable { reason },
            Self::Writes => CallError::Ambiguous { reason },
        }
    }
}

/// Judges a status that is not a success.
///
/// What is not known to be about the shop is the fault of whoever stands in between (a proxy, a renamed shop, a wrong
/// address): nothing was carried out, and no entry of the call is to blame.
pub(super) fn classify_status(
    status: u16,
    retry_after: Option<&str>,
    body: &[u8],
    effect: Effect,
) -> CallError {
    match status {
        429 => CallError::Throttled {
            wait_ms: retry_after.and_then(parse_retry_after_ms),
        },
        401 => CallError::Barred(Bar::TokenDead),
        402 => CallError::Barred(Bar::Frozen),
        403 => CallError::Barred(Bar::ScopeMissing),
        423 | 430 => CallError::Barred(Bar::Locked),
        408 | 500..=599 => effect.lost(format!("the platform answered {status}; tried again")),
        _ => refused_at_the_door(status, body),
    }
}

fn refused_at_the_door(status: u16, body: &[u8]) -> CallError {
    let text = String::from_utf8_lossy(body);
    CallError::Unavailable {
        reason: clip(&format!(
            "the platform answered {status}; tried again: {}",
            text.trim()
        )),
    }
}

/// Whether a refusal is in the platform's own words: others answer with pages for people.
pub(super) fn is_in_its_own_words(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Refusal {
        #[serde(rename = "errors")]
        _errors: serde::de::IgnoredAny,
    }
    serde_json::from_slice::<Refusal>(body).is_ok()
}

/// A refusal of the whole call, by a code of the platform's or of ours.
pub(super) fn rejected(code: impl Into<String>, message: &str) -> CallError {
    let code = UserErrorCode::Other(code.into());
    CallError::Rejected {
        errors: vec![UserError {
            entry: None,
            code,
            message: clip(message),
        }],
    }
}

/// A list of errors; null says as an absent one that there are none.
pub(super) fn entries<'de, D, E>(deserializer: D) -> Result<Vec<E>, D::Error>
where
    D: serde::Deserializer<'de>,
    E: serde::Deserialize<'de>,
{
    let list: Option<Vec<E>> = serde::Deserialize::deserialize(deserializer)?;
    Ok(list.unwrap_or_default())
}

/// An entry of a GraphQL reply's top-level `errors`.
#[derive(Debug, serde::Deserialize)]
pub(super) struct TopLevelError {
    #[serde(default)]
    message: String,
    extensions: Option<ErrorExtensions>,
}

#[derive(Debug, serde::Deserialize)]
struct ErrorExtensions {
    code: Option<String>,
}

impl TopLevelError {
    fn code(&self) -> &str {
        self.extensions
            .as_ref()
            .and_then(|extensions| extensions.code.as_deref())
            .unwrap_or("GRAPHQL_ERROR")
    }

    /// Whether a value that was asked for is at fault, and not how it was asked for.
    fn is_about_a_value(&self) -> bool {
        let says = |words: &str| self.message.contains(words);
        match self.code() {
            "INVALID_VARIABLE" => !says("is not defined on"),
            "RESOURCE_NOT_FOUND" => true,
            _ => says("nvalid global id") || says("nvalid id"),
        }
    }
}

/// Judges top-level errors; nothing of the operation took effect, save where the platform itself failed.
///
/// Those that are not known refuse the call as a whole: only of a read that names a wrong value an entry is to blame.
pub(super) fn classify_top_level(
    errors: &[TopLevelError],
    throttled_wait_ms: Option<i64>,
    effect: Effect,
) -> CallError {
    let Some(first) = errors.first() else {
        return effect.lost("errors without an entry");
    };
    let any = |code: &str| errors.iter().any(|error| error.code() == code);
    if any("THROTTLED") {
        CallError::Throttled {
            wait_ms: throttled_wait_ms,
        }
    } else if any("INTERNAL_SERVER_ERROR") || any("TIMEOUT") {
        effect.lost(first.message.as_str())
    } else if any("ACCESS_DENIED") {
        CallError::Barred(Bar::ScopeMissing)
    } else if any("SHOP_INACTIVE") {
        CallError::Barred(Bar::Frozen)
    } else if effect == Effect::Reads && errors.iter().any(TopLevelError::is_about_a_value) {
        rejected(first.code(), &first.message)
    } else {
        CallError::Unavailable {
            reason: clip(&format!("{}: {}", first.code(), first.message)),
        }
    }
}

/// An entry of a mutation's `userErrors`.
#[derive(Debug, serde::Deserialize)]
pub(super) struct RawUserError {
    /// Some mutations have none.
    code: Option<String>,
    /// Strings, though schemas differ and indices have been seen as numbers.
    #[serde(default)]
    field: Option<Vec<PathPart>>,
    #[serde(default)]
    message: String,
}

#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
enum PathPart {
    Index(usize),
    Name(String),
}

impl PathPart {
    fn index(&self) -> Option<usize> {
        match self {
            Self::Index(index) => Some(*index),
            Self::Name(name) => name.parse().ok(),
        }
    }

    fn is(&self, wanted: &str) -> bool {
        match self {
            Self::Index(_) => false,
            Self::Name(name) => name == wanted,
        }
    }
}

/// Judges a mutation's `userErrors`: nothing of it took effect, unless it is still running.
pub(super) fn classify_user_errors(errors: &[RawUserError]) -> Result<(), CallError> {
    if errors.is_empty() {
        return Ok(());
    }
    if errors.iter().any(RawUserError::is_still_running) {
        return Err(CallError::Busy);
    }
    Err(CallError::Rejected {
        errors: errors.iter().map(RawUserError::translate).collect(),
    })
}

impl RawUserError {
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    fn is_still_running(&self) -> bool {
        self.code.as_deref() == Some("IDEMPOTENCY_CONCURRENT_REQUEST")
    }

    fn translate(&self) -> UserError {
        let code = match self.code.as_deref() {
            Some(code) => code_of(code),
            None => self.code_of_message(),
        };
        UserError {
            entry: self.entry(),
            code,
            message: clip(&self.message),
        }
    }

    fn entry(&self) -> Option<usize> {
        self.field.iter().flatten().find_map(PathPart::index)
    }

    /// `inventoryActivate` has no codes, only a field and a text.
    fn code_of_message(&self) -> UserErrorCode {
        let names = |wanted: &str| self.field.iter().flatten().any(|part| part.is(wanted));
        if self.message.contains("already active") {
            UserErrorCode::AlreadyStocked
        } else if names("inventoryItemId") {
            UserErrorCode::ItemUnusable
        } else if names("locationId") {
            UserErrorCode::LocationUnusable
        } else {
            UserErrorCode::Other("USER_ERROR".to_owned())
        }
    }
}

fn code_of(code: &str) -> UserErrorCode {
    match code {
        "CHANGE_FROM_QUANTITY_STALE" | "COMPARE_QUANTITY_STALE" => UserErrorCode::Stale,
        "ITEM_NOT_STOCKED_AT_LOCATION" => UserErrorCode::NotStocked,
        "INVALID_INVENTORY_ITEM" | "NON_MUTABLE_INVENTORY_ITEM" => UserErrorCode::ItemUnusable,
        "INVALID_LOCATION" => UserErrorCode::LocationUnusable,
        "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED" => UserErrorCode::PreviousAttemptFailed,
        other => UserErrorCode::Other(clip(other)),
    }
}

fn clip(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_errors(json: &str) -> Vec<RawUserError> {
        serde_json::from_str(json).unwrap()
    }

    fn only(result: Result<(), CallError>) -> UserError {
        match result {
            Err(CallError::Rejected { errors }) if errors.len() == 1 => {
                errors.into_iter().next().unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn statuses_fall_into_their_classes() {
        let classify = |status, effect| {
            classify_status(status, Some("1.5"), b"{\"errors\":\"Not Found\"}", effect)
        };
        assert_eq!(
            classify(429, Effect::Writes),
            CallError::Throttled {
                wait_ms: Some(1500)
            }
        );
        let bars = [
            (401, Bar::TokenDead),
            (402, Bar::Frozen),
            (403, Bar::ScopeMissing),
            (423, Bar::Locked),
            (430, Bar::Locked),
        ];
        for (status, bar) in bars {
            assert_eq!(classify(status, Effect::Writes), CallError::Barred(bar));
        }
        for status in [500, 502, 503, 504, 599, 408] {
            assert!(
                matches!(
                    classify(status, Effect::Writes),
                    CallError::Ambiguous { .. }
                ),
                "{status}"
            );
            assert!(
                matches!(
                    classify(status, Effect::Reads),
                    CallError::Unavailable { .. }
                ),
                "{status}"
            );
        }
        for status in [301, 303, 400, 404, 406, 422] {
            for effect in [Effect::Reads, Effect::Writes] {
                let reason = format!(
                    "the platform answered {status}; tried again: {{\"errors\":\"Not Found\"}}"
                );
                assert_eq!(
                    classify(status, effect),
                    CallError::Unavailable { reason },
                    "{status}"
                );
            }
        }
    }

    #[test]
    fn user_errors_keep_their_entry_and_code() {
        let cases = [
            (
                r#"[{"code":"CHANGE_FROM_QUANTITY_STALE","field":["input","quantities","3","changeFromQuantity"],"message":"stale"}]"#,
                Some(3),
                UserErrorCode::Stale,
            ),
            (
                r#"[{"code":"ITEM_NOT_STOCKED_AT_LOCATION","field":["input","changes",7,"locationId"],"message":""}]"#,
                Some(7),
                UserErrorCode::NotStocked,
            ),
            (
                r#"[{"code":"NON_MUTABLE_INVENTORY_ITEM","field":null,"message":""}]"#,
                None,
                UserErrorCode::ItemUnusable,
            ),
            (
                r#"[{"code":"INVALID_LOCATION","field":["input"],"message":""}]"#,
                None,
                UserErrorCode::LocationUnusable,
            ),
            (
                r#"[{"code":"IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED","message":""}]"#,
                None,
                UserErrorCode::PreviousAttemptFailed,
            ),
            (
                r#"[{"code":"IDEMPOTENCY_KEY_PARAMETER_MISMATCH","message":""}]"#,
                None,
                UserErrorCode::Other("IDEMPOTENCY_KEY_PARAMETER_MISMATCH".to_owned()),
            ),
            (
                r#"[{"field":["available"],"message":"Not allowed to set available quantity when the item is already active at the location."}]"#,
                None,
                UserErrorCode::AlreadyStocked,
            ),
            (
                r#"[{"field":["inventoryItemId"],"message":"could not be found"}]"#,
                None,
                UserErrorCode::ItemUnusable,
            ),
        ];
        for (json, entry, code) in cases {
            let error = only(classify_user_errors(&user_errors(json)));
            assert_eq!((error.entry, error.code), (entry, code), "{json}");
        }
        let running = user_errors(r#"[{"code":"IDEMPOTENCY_CONCURRENT_REQUEST","message":""}]"#);
        assert_eq!(classify_user_errors(&running), Err(CallError::Busy));
        assert_eq!(classify_user_errors(&[]), Ok(()));
    }

    #[test]
    fn top_level_errors_refuse_the_operation() {
        let read = |json: &str| serde_json::from_str::<Vec<TopLevelError>>(json).unwrap();
        let throttled = read(r#"[{"message":"Throttled","extensions":{"code":"THROTTLED"}}]"#);
        assert_eq!(
            classify_top_level(&throttled, Some(9), Effect::Writes),
            CallError::Throttled { wait_ms: Some(9) }
        );
        let denied = read(r#"[{"message":"","extensions":{"code":"ACCESS_DENIED"}}]"#);
        assert_eq!(
            classify_top_level(&denied, None, Effect::Reads),
            CallError::Barred(Bar::ScopeMissing)
        );
        let failed = read(r#"[{"message":"oops","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]"#);
        assert!(matches!(
            classify_top_level(&failed, None, Effect::Writes),
            CallError::Ambiguous { .. }
        ));
    }

    #[test]
    fn a_top_level_error_blames_an_entry_only_when_it_names_one() {
        let judge = |json: &str, effect| {
            let errors: Vec<TopLevelError> = serde_json::from_str(json).unwrap();
            classify_top_level(&errors, None, effect)
        };
        let of_the_call = [
            r#"[{"message":"no such field"}]"#,
            r#"[{"message":"cost","extensions":{"code":"MAX_COST_EXCEEDED"}}]"#,
            r#"[{"message":"key (Field is not defined on Input)","extensions":{"code":"INVALID_VARIABLE"}}]"#,
        ];
        for json in of_the_call {
            for effect in [Effect::Reads, Effect::Writes] {
                let judged = judge(json, effect);
                assert!(matches!(judged, CallError::Unavailable { .. }), "{json}");
            }
        }
        let of_an_entry = [
            r#"[{"message":"$ids was provided invalid value for 0","extensions":{"code":"INVALID_VARIABLE"}}]"#,
            r#"[{"message":"Invalid global id 'gid://shopify/InventoryItem/0'"}]"#,
        ];
        for json in of_an_entry {
            let read = judge(json, Effect::Reads);
            assert!(matches!(read, CallError::Rejected { .. }), "{json}");
            let write = judge(json, Effect::Writes);
            assert!(matches!(write, CallError::Unavailable { .. }), "{json}");
        }
    }
}
