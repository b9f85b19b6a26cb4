//! Documents: values that are read and written whole, as JSON text.

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::error::DbError;

pub(super) fn write(what: &str, value: &impl Serialize) -> Result<String, DbError> {
    serde_json::to_string(value).map_err(|error| DbError::malformed(what, error))
}

pub(super) fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|error| DbError::malformed(what, error))
}

pub(super) fn read_uuid(what: &str, text: &str) -> Result<Uuid, DbError> {
    Uuid::parse_str(text).map_err(|error| DbError::malformed(what, error))
}
