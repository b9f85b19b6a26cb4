//! Where two bodies differ, as the audit may say it: places, and nothing that stands there.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use crate::http::redact::is_personal;

/// The most places that are named; of others only how many is said.
const PLACES_MAX: usize = 8;
/// The longest name of a member that is written down.
const NAME_CHARS_MAX: usize = 40;

/// Where two bodies differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct BodyChanges {
    /// The first of them, such as `line_items/0/quantity`.
    named: Vec<String>,
    count: usize,
}

/// Compares two bodies. What is about a person differs as a whole, and a name that is none of the platform's is not
/// written down.
pub(super) fn changes(former: &Value, wanted: &Value) -> BodyChanges {
    let mut found = BodyChanges::default();
    found.compare(former, wanted, String::new());
    found
}

impl BodyChanges {
    /// The parser bounds how deep this goes.
    fn compare(&mut self, former: &Value, wanted: &Value, place: String) {
        match (former, wanted) {
            (former, wanted) if former == wanted => {}
            (Value::Object(former), Value::Object(wanted)) => {
                self.compare_members(former, wanted, &place);
            }
            (Value::Array(former), Value::Array(wanted)) => {
                for index in 0..former.len().max(wanted.len()) {
                    let (former, wanted) = (former.get(index), wanted.get(index));
                    self.compare_parts((former, wanted), below(&place, &index.to_string()));
                }
            }
            (
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_)
                | Value::Object(_),
                _,
            ) => self.note(place),
        }
    }

    fn compare_members(
        &mut self,
        former: &Map<String, Value>,
        wanted: &Map<String, Value>,
        place: &str,
    ) {
        let names: BTreeSet<&String> = former.keys().chain(wanted.keys()).collect();
        for name in names {
            let (former, wanted) = (former.get(name), wanted.get(name));
            let place = below(place, sayable(name));
            if is_personal(name) && former != wanted {
                self.note(place);
            } else {
                self.compare_parts((former, wanted), place);
            }
        }
    }

    fn compare_parts(&mut self, parts: (Option<&Value>, Option<&Value>), place: String) {
        match parts {
            (Some(former), Some(wanted)) => self.compare(former, wanted, place),
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => self.note(place),
        }
    }

    fn note(&mut self, place: String) {
        self.count += 1;
        if self.named.len() < PLACES_MAX {
            self.named.push(place);
        }
    }
}

fn below(place: &str, part: &str) -> String {
    if place.is_empty() {
        part.to_owned()
    } else {
        format!("{place}/{part}")
    }
}

/// Names of the platform are plain words; any other may be somebody's.
fn sayable(name: &str) -> &str {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_plain) {
        name
    } else {
        "*"
    }
}

impl fmt::Display for BodyChanges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count == 0 {
            return formatter.write_str("no value differs");
        }
        let shown = self.named.iter().map(|place| match place.as_str() {
            "" => "the whole body",
            place => place,
        });
        let shown: Vec<&str> = shown.collect();
        write!(formatter, "changed {}", shown.join(", "))?;
        match self.count.saturating_sub(self.named.len()) {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(former: &Value, wanted: &Value) -> String {
        changes(former, wanted).to_string()
    }

    #[test]
    fn places_are_named_and_values_are_not() {
        let former =
            json!({"id": "Anne", "line_items": [{"quantity": 1}, {"quantity": 2}], "note": "x"});
        let wanted =
            json!({"id": 5, "line_items": [{"quantity": 1}, {"quantity": 3}], "total": "1"});
        assert_eq!(
            said(&former, &wanted),
            "changed id, line_items/1/quantity, note, total"
        );
        assert_eq!(said(&former, &former), "no value differs");
        assert_eq!(said(&former, &json!([1])), "changed the whole body");
    }

    #[test]
    fn what_is_of_a_person_is_one_place_and_strange_names_are_hidden() {
        let former = json!({"customer": {"first_name": "Anne", "email": "a@b.c"}, "Anne Smith": 1});
        let wanted = json!({"customer": {"first_name": "Bob", "email": "b@b.c"}, "Anne Smith": 2});
        assert_eq!(said(&former, &wanted), "changed *, customer");
    }

    #[test]
    fn many_are_counted() {
        let numbers = |add: i64| Value::from((0..30).map(|each| each + add).collect::<Vec<_>>());
        let said = said(&numbers(0), &numbers(100));
        assert!(said.starts_with("changed 0, 1, 2,"), "{said}");
        assert!(said.ends_with("7 and 22 more"), "{said}");
    }
}
