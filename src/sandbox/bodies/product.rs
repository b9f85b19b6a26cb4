//! Bodies of products and variants.

use serde_json::{Value, json};

use crate::sandbox::{
    bodies::money,
    catalog::{Product, Variant},
    ids::gid,
    shop::Shop,
};

/// A product with all its variants.
pub(in crate::sandbox) fn product(shop: &Shop, product: &Product) -> Value {
    let variants: Vec<&Variant> = shop.catalog.variants_of(product).collect();
    let gids: Vec<Value> = variants
        .iter()
        .map(|found| {
            json!({
                "admin_graphql_api_id": gid("ProductVariant", found.id),
                "updated_at": found.updated_at.utc(),
            })
        })
        .collect();
    let bodies: Vec<Value> = variants.iter().map(|found| variant(shop, found)).collect();
    json!({
        "admin_graphql_api_id": gid("Product", product.id),
        "body_html": "An example product",
        "created_at": product.created_at.local(),
        "handle": product.title.to_lowercase().replace(' ', "-"),
        "id": product.id,
        "product_type": "Example",
        "published_at": product.created_at.local(),
        "template_suffix": null,
        "title": product.title,
        "updated_at": product.updated_at.local(),
        "vendor": "Acme",
        "status": "active",
        "published_scope": "web",
        "tags": "example, sandbox",
        "variants": bodies,
        "options": [],
        "images": [],
        "image": null,
        "media": [],
        "variant_gids": gids,
        "has_variants_that_requires_components": variants.iter().any(|found| found.native_bundle),
    })
}

/// A variant. Its quantity is the sum of what is available everywhere.
pub(in crate::sandbox) fn variant(shop: &Shop, variant: &Variant) -> Value {
    let levels = shop.levels_of(variant.item);
    let quantity: i64 = levels.map(|(_, level)| level.available).sum();
    let policy = if variant.continue_selling {
        "continue"
    } else {
        "deny"
    };
    json!({
        "admin_graphql_api_id": gid("ProductVariant", variant.id),
        "barcode": null,
        "compare_at_price": null,
        "created_at": variant.created_at.local(),
        "id": variant.id,
        "inventory_policy": policy,
        "position": variant.position,
        "price": money::text(variant.price),
        "product_id": variant.product,
        "sku": variant.sku,
        "taxable": true,
        "title": variant.title,
        "updated_at": variant.updated_at.local(),
        "option1": variant.title,
        "option2": null,
        "option3": null,
        "image_id": null,
        "inventory_item_id": variant.item,
        "inventory_quantity": quantity,
        "old_inventory_quantity": quantity,
    })
}
