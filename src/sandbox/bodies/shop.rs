//! Bodies of the shop itself.

use serde_json::{Value, json};

use crate::sandbox::shop::Shop;

/// The shop as `app/uninstalled` shows it, its domain left out as recorded.
pub(in crate::sandbox) fn shop(shop: &Shop) -> Value {
    let mut body = identity(shop);
    if let (Value::Object(all), Value::Object(more)) = (&mut body, abilities(shop)) {
        all.extend(more);
    }
    body
}

fn identity(shop: &Shop) -> Value {
    json!({
        "id": shop.id, "name": "Super Toys", "email": "super@supertoys.com",
        "domain": null, "province": "Tennessee", "country": "US",
        "address1": "190 MacLaren Street", "zip": "37178", "city": "Houston",
        "source": null, "phone": "3213213210", "latitude": null, "longitude": null,
        "primary_locale": "en", "address2": null, "created_at": null, "updated_at": null,
        "country_code": "US", "country_name": "United States", "currency": "USD",
        "customer_email": "super@supertoys.com",
        "timezone": "(GMT-05:00) Eastern Time (US & Canada)", "iana_timezone": null,
        "shop_owner": "John Smith", "money_format": "${{amount}}",
        "money_with_currency_format": "${{amount}} USD", "weight_unit": "kg",
    })
}

fn abilities(shop: &Shop) -> Value {
    json!({
        "province_code": "TN", "taxes_included": null,
        "auto_configure_tax_inclusivity": null, "tax_shipping": null,
        "county_taxes": null, "plan_display_name": shop.plan.name(),
        "plan_name": shop.plan.name(), "has_discounts": false, "has_gift_cards": true,
        "myshopify_domain": null, "google_apps_domain": null,
        "google_apps_login_enabled": null, "money_in_emails_format": "${{amount}}",
        "money_with_currency_in_emails_format": "${{amount}} USD",
        "eligible_for_payments": true, "requires_extra_payments_agreement": false,
        "password_enabled": null, "has_storefront": true, "finances": true,
        "primary_location_id": shop.catalog.locations.keys().next(),
        "checkout_api_supported": true,
        "multi_location_enabled": shop.catalog.locations.len() > 1,
        "setup_required": false, "pre_launch_enabled": false,
        "enabled_presentment_currencies": ["USD"],
        "marketing_sms_consent_enabled_at_checkout": false,
        "transactional_sms_disabled": false,
    })
}

/// The shop as `GET shop.json` shows it, with its domain.
pub(in crate::sandbox) fn settings(found: &Shop) -> Value {
    let mut body = shop(found);
    if let Value::Object(fields) = &mut body {
        fields.insert("domain".to_owned(), json!(found.domain));
        fields.insert("myshopify_domain".to_owned(), json!(found.domain));
        fields.insert("created_at".to_owned(), json!(found.created_at.local()));
    }
    body
}
