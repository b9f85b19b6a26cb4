//! Where in a list a client stands: `?limit=&cursor=`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::http::error::{ApiError, Problem};

/// Rows of a page when the client does not say.
const LIMIT_DEFAULT: u64 = 50;
/// The most rows of a page.
const LIMIT_MAX: u64 = 250;
/// The longest cursor, in bytes.
const CURSOR_MAX: usize = 512;

/// The two parameters as they come.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Rows of a page, 1 to 250; 50 when not given.
    #[param(minimum = 1, maximum = 250)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Rows, 1 to 250.
    pub(crate) limit: u64,
    /// Read behind this key.
    pub(crate) after: Option<String>,
}

impl PageQuery {
    /// A page of the usual size behind this cursor.
    pub(crate) const fn behind(cursor: Option<String>) -> Self {
        Self {
            limit: None,
            cursor,
        }
    }

    /// Checks the bounds and opens the cursor.
    pub(crate) fn page(&self) -> Result<Page, ApiError> {
        page_of(self.limit, self.cursor.as_deref())
    }
}

/// Checks the bounds and opens the cursor.
pub(crate) fn page_of(limit: Option<u64>, cursor: Option<&str>) -> Result<Page, ApiError> {
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::new(
            Problem::MalformedQuery,
            format!("`limit` is from 1 to {LIMIT_MAX}"),
        ));
    }
    Ok(Page {
        limit,
        after: cursor.map(decode_cursor).transpose()?,
    })
}

/// Hides a key, so that nobody relies on what it is.
pub(crate) fn encode_cursor(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

/// Opens a cursor.
pub(crate) fn decode_cursor(cursor: &str) -> Result<String, ApiError> {
    let malformed = || ApiError::plain(Problem::MalformedCursor);
    if cursor.is_empty() || cursor.len() > CURSOR_MAX {
        return Err(malformed());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().ok_or_else(malformed)?;
    String::from_utf8(bytes).ok().ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        assert_eq!(decode_cursor(&encode_cursor("42/ü")).unwrap(), "42/ü");
        assert_eq!(
            decode_cursor("!!").unwrap_err().problem(),
            Problem::MalformedCursor
        );
        assert_eq!(
            decode_cursor("").unwrap_err().problem(),
            Problem::MalformedCursor
        );
    }

    #[test]
    fn a_page_is_bounded() {
        assert_eq!(
            page_of(None, None).unwrap(),
            Page {
                limit: LIMIT_DEFAULT,
                after: None
            }
        );
        assert!(page_of(Some(0), None).is_err());
        assert!(page_of(Some(LIMIT_MAX + 1), None).is_err());
    }
}
