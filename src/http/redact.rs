//! Bodies of webhooks as operators may see them: what says who somebody is, or lets one in, is left out.
//!
//! Fail-safe rather than exact: within what is about a person every text goes, elsewhere what its key or its look gives
//! away. Ids, numbers of things, stamps and titles of products stay, since these are what one looks for.

use serde_json::Value;

/// Stands for what was left out.
const REDACTED: &str = "[redacted]";
/// Digits from which a text of digits and separators may be a telephone number.
const PHONE_DIGITS_MIN: usize = 7;

/// What is about a person, wherever it stands.
const PERSONAL: [&str; 14] = [
    "addresses",
    "attributes",
    "billing_address",
    "buyer",
    "client_details",
    "customer",
    "default_address",
    "destination",
    "note_attributes",
    "payment_details",
    "properties",
    "receipt",
    "shipping_address",
    "user",
];

/// Texts that give somebody away, or let one in, by their key.
const TELLING: [&str; 32] = [
    "address1",
    "address2",
    "author",
    "authorization",
    "browser_ip",
    "cart_token",
    "checkout_token",
    "city",
    "company",
    "confirmation_number",
    "contact_email",
    "email",
    "first_name",
    "landing_site",
    "last_name",
    "latitude",
    "longitude",
    "message",
    "note",
    "order_status_url",
    "phone",
    "province",
    "referring_site",
    "shop_owner",
    "tags",
    "token",
    "tracking_number",
    "tracking_numbers",
    "tracking_url",
    "tracking_urls",
    "zip",
    "zip_code",
];

/// The body of a webhook without what says who somebody is; `None`: it is not JSON, and nobody can tell what is in it.
pub(crate) fn redacted(body: &[u8]) -> Option<Value> {
    let mut value = serde_json::from_slice(body).ok()?;
    redact(&mut value, false);
    Some(value)
}

/// Whether a member of this name tells who somebody is.
pub(crate) fn is_personal(name: &str) -> bool {
    PERSONAL.contains(&name) || TELLING.contains(&name)
}

/// The parser bounds how deep this goes.
fn redact(value: &mut Value, is_about_person: bool) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                redact(member, is_about_person || is_personal(key));
            }
        }
        Value::Array(entries) => {
            for entry in entries {
                redact(entry, is_about_person);
            }
        }
        Value::String(text) => {
            if (is_about_person && !text.is_empty()) || looks_personal(text) {
                REDACTED.clone_into(text);
            }
        }
        // Where somebody is; ids are whole.
        Value::Number(number) => {
            if is_about_person && !number.is_i64() && !number.is_u64() {
                *value = Value::String(REDACTED.to_owned());
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn looks_personal(text: &str) -> bool {
    text.contains('@') || looks_like_phone(text)
}

/// Digits with signs of a telephone number among them: bare digits are ids.
fn looks_like_phone(text: &str) -> bool {
    let is_sign = |letter: char| matches!(letter, '+' | '(' | ')' | ' ' | '/' | '-' | '.');
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let signs = text
        .chars()
        .filter(|letter| matches!(letter, '+' | '(' | ' ' | '/'))
        .count();
    digits >= PHONE_DIGITS_MIN
        && signs > 0
        && text
            .chars()
            .all(|letter| letter.is_ascii_digit() || is_sign(letter))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(body: &Value) -> String {
        redacted(body.to_string().as_bytes()).unwrap().to_string()
    }

    #[test]
    fn nothing_of_a_person_is_left() {
        let body = json!({
            "id": 5_678, "email": "anne@example.com", "phone": "+49 170 1234567", "browser_ip": "10.1.2.3",
            "note": "ring at Smith", "token": "f00dcafe", "order_status_url": "https://shop/5/key",
            "customer": { "id": 77, "first_name": "Anne", "verified": true,
                "default_address": { "name": "Anne Smith", "country": "Germany", "latitude": 52.5 } },
            "shipping_address": { "address1": "Main Street 5", "zip": "10115" },
            "note_attributes": [{ "name": "gift for", "value": "Bob Jones" }],
            "line_items": [{ "id": 9, "title": "Razor", "quantity": 2,
                "properties": [{ "name": "engraving", "value": "For Cleo" }] }],
            "fulfillments": [{ "tracking_number": "1Z", "receipt": { "to": "Dora" } }],
            "tags": "vip of Berlin", "tracking_numbers": ["JD014600"], "tracking_urls": ["https://parcels/JD0"],
            "latitude": 48.1, "remarks": ["write to eve@example.com", "030/555 12 34"],
        });
        let shown = shown(&body);
        for person in [
            "anne", "Anne", "Smith", "170", "10.1.2.3", "f00dcafe", "/key", "Berlin", "Germany",
            "52.5", "48.1", "1Z", "JD0", "Main", "10115", "Bob", "gift", "Cleo", "Dora", "eve@",
            "555",
        ] {
            assert!(!shown.contains(person), "{person}: {shown}");
        }
    }

    #[test]
    fn what_one_looks_for_stays() {
        let body = json!({
            "id": 5_678, "admin_graphql_api_id": "gid://shopify/Order/5678", "updated_at": "2026-11-22T18:00:00+01:00",
            "customer": { "id": 77, "note": null, "email": "" }, "financial_status": "paid", "total_price": "19.90",
            "line_items": [{ "variant_id": 4_401, "title": "Razor 2000", "quantity": 2 }],
        });
        assert_eq!(redacted(body.to_string().as_bytes()), Some(body));
    }

    #[test]
    fn what_is_not_json_is_not_shown() {
        assert_eq!(redacted(b"Anne Smith"), None);
        assert_eq!(redacted(&[0xff]), None);
    }
}
