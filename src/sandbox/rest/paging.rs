//! Pages of a list: `limit`, opaque cursors, the `Link` header, `fields`.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sandbox::{
    gate::{Call, Reply},
    shop::Refused,
};

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 250;

/// What a row is ordered by.
pub(super) type Key = (i64, i64);

/// What `page_info` hides: the filters of the first page and a place.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    filters: BTreeMap<String, String>,
    after: Option<Key>,
    before: Option<Key>,
}

/// Puts the filters of the first page back when the call names a later one.
pub(super) fn resume(call: &mut Call) -> Result<Place, Refused> {
    let Some(info) = call.query.get("page_info").cloned() else {
        return Ok(Place::default());
    };
    let plain = |name: &&String| !["page_info", "limit", "fields"].contains(&name.as_str());
    if let Some(extra) = call.query.keys().find(plain) {
        let text = format!("{extra} cannot be passed when page_info is passed");
        return Err(Refused {
            status: 400,
            errors: json!({ "page_info": [text] }),
        });
    }
    let decoded = URL_SAFE_NO_PAD.decode(&info).ok();
    let cursor: Option<Cursor> = decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(cursor) = cursor else {
        return Err(Refused {
            status: 400,
            errors: json!({ "page_info": ["Invalid value."] }),
        });
    };
    call.query.extend(cursor.filters);
    Ok(Place {
        after: cursor.after,
        before: cursor.before,
    })
}

/// Where in the list a page lies.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Place {
    after: Option<Key>,
    before: Option<Key>,
}

/// One page of `rows`, which ascend by key, under `name`.
pub(super) fn page<T>(
    call: &Call,
    place: Place,
    name: &str,
    rows: &[(Key, T)],
    show: impl Fn(&T) -> Value,
) -> Result<Reply, Refused> {
    let limit = limit_of(call)?;
    let start = match (place.after, place.before) {
        (Some(after), _) => rows.partition_point(|(key, _)| *key <= after),
        (None, Some(before)) => rows
            .partition_point(|(key, _)| *key < before)
            .saturating_sub(limit),
        (None, None) => 0,
    };
    let end = rows.len().min(start + limit);
    let shown = rows.get(start..end).unwrap_or_default();
    let bodies: Vec<Value> = shown
        .iter()
        .map(|(_, row)| trimmed(call, show(row)))
        .collect();
    let mut reply = Reply::ok(json!({ name: bodies }));
    let mut links = Vec::new();
    if let Some((first, _)) = shown.first().filter(|_| start > 0) {
        links.push(link(call, limit, (None, Some(*first)), "previous"));
    }
    if let Some((last, _)) = shown.last().filter(|_| end < rows.len()) {
        links.push(link(call, limit, (Some(*last), None), "next"));
    }
    if !links.is_empty() {
        reply.headers.push(("Link", links.join(", ")));
    }
    Ok(reply)
}

fn limit_of(call: &Call) -> Result<usize, Refused> {
    let Some(text) = call.query.get("limit") else {
        return Ok(LIMIT_DEFAULT);
    };
    let limit: usize = text
        .parse()
        .map_err(|_not_a_number| Refused::field("limit", "must be a number"))?;
    Ok(limit.clamp(1, LIMIT_MAX))
}

fn link(
    call: &Call,
    limit: usize,
    (after, before): (Option<Key>, Option<Key>),
    rel: &str,
) -> String {
    let mut filters = call.query.clone();
    for own in ["page_info", "limit", "fields"] {
        filters.remove(own);
    }
    let cursor = Cursor {
        filters,
        after,
        before,
    };
    let info = URL_SAFE_NO_PAD.encode(json!(cursor).to_string());
    format!(
        "<{}/admin/api/{}/{}?limit={limit}&page_info={info}>; rel=\"{rel}\"",
        call.base_url, call.version, call.path
    )
}

/// Only the `fields` asked for, when any were.
pub(super) fn trimmed(call: &Call, body: Value) -> Value {
    let (Some(fields), Value::Object(mut all)) = (call.query.get("fields"), body.clone()) else {
        return body;
    };
    let wanted: Vec<&str> = fields.split(',').map(str::trim).collect();
    all.retain(|name, _| wanted.contains(&name.as_str()));
    Value::Object(all)
}
