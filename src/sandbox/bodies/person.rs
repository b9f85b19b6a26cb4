//! The one buyer of the sandbox: only the shape matters.

use serde_json::{Value, json};

pub(super) fn address() -> Value {
    json!({
        "first_name": "Steve", "last_name": "Shipper", "name": "Steve Shipper",
        "company": "Shipping Company", "address1": "123 Shipping Street", "address2": null,
        "phone": "555-555-SHIP", "city": "Shippington", "zip": "40003",
        "province": "Kentucky", "province_code": "KY",
        "country": "United States", "country_code": "US",
        "latitude": null, "longitude": null,
    })
}

pub(super) fn customer() -> Value {
    let id = 115_310_627_314_723_954_i64;
    json!({
        "id": id, "email": "john@example.com", "created_at": null, "updated_at": null,
        "first_name": "John", "last_name": "Smith", "state": "disabled", "note": null,
        "verified_email": true, "multipass_identifier": null, "tax_exempt": false,
        "phone": null,
        "email_marketing_consent": {
            "state": "not_subscribed", "opt_in_level": null, "consent_updated_at": null,
        },
        "sms_marketing_consent": null, "tags": "", "currency": "USD", "tax_exemptions": [],
        "admin_graphql_api_id": format!("gid://shopify/Customer/{id}"),
        "default_address": {
            "id": 715_243_470_612_851_245_i64, "customer_id": id,
            "first_name": null, "last_name": null, "company": null,
            "address1": "123 Elm St.", "address2": null, "city": "Ottawa",
            "province": "Ontario", "country": "Canada", "zip": "K2H7A8",
            "phone": "123-123-1234", "name": "", "province_code": "ON",
            "country_code": "CA", "country_name": "Canada", "default": true,
        },
    })
}
