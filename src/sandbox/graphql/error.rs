//! Top-level errors and user errors.

use serde_json::{Value, json};

/// A top-level error: the field, or the whole document, was not carried out.
#[derive(Debug, Clone)]
pub(super) struct GraphqlError {
    pub(super) message: String,
    pub(super) code: &'static str,
    pub(super) path: Option<String>,
}

impl GraphqlError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code,
            path: None,
        }
    }

    pub(super) fn at(mut self, root: &str) -> Self {
        self.path = Some(root.to_owned());
        self
    }

    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "message": self.message,
            "extensions": { "code": self.code },
        });
        if let (Value::Object(fields), Some(root)) = (&mut body, &self.path) {
            fields.insert("path".to_owned(), json!([root]));
        }
        body
    }
}

/// A refusal in a mutation's payload.
#[derive(Debug, Clone)]
pub(super) struct UserError {
    pub(super) code: Option<&'static str>,
    pub(super) field: Value,
    pub(super) message: String,
}

impl UserError {
    pub(super) fn new(code: &'static str, field: &[&str], message: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            field: json!(field),
            message: message.into(),
        }
    }

    /// About the whole input: no field is named.
    pub(super) fn general(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            field: Value::Null,
            message: message.into(),
        }
    }
}
