//! Products and variants over REST, for reading.

use serde_json::{Value, json};

use super::{
    paging,
    route::{Answered, ids_in, moment_in},
};
use crate::sandbox::{
    bodies,
    catalog::Product,
    gate::{Call, Reply},
    shop::{Refused, Shop},
};

const IDS_MAX: usize = 250;

pub(super) fn list(shop: &Shop, call: &mut Call) -> Answered {
    let place = paging::resume(call)?;
    let ids = ids_in(call, "ids", IDS_MAX)?;
    let since_id = call
        .query
        .get("since_id")
        .and_then(|text| text.parse().ok());
    let updated_min = moment_in(call, "updated_at_min")?;
    let rows: Vec<(paging::Key, &Product)> = shop
        .catalog
        .products
        .values()
        .filter(|product| !product.deleted)
        .filter(|product| ids.is_empty() || ids.contains(&product.id))
        .filter(|product| since_id.is_none_or(|since: i64| product.id > since))
        .filter(|product| {
            updated_min.is_none_or(|least| product.updated_at.whole_seconds() >= least)
        })
        .map(|product| ((product.id, 0), product))
        .collect();
    paging::page(call, place, "products", &rows, |product| {
        bodies::product(shop, product)
    })
}

pub(super) fn one(shop: &Shop, id: i64) -> Answered {
    let product = live(shop, id)?;
    Ok(Reply::ok(
        json!({ "product": bodies::product(shop, product) }),
    ))
}

pub(super) fn variants(shop: &Shop, id: i64) -> Answered {
    let product = live(shop, id)?;
    let found = shop.catalog.variants_of(product);
    let bodies: Vec<Value> = found
        .map(|variant| bodies::variant(shop, variant))
        .collect();
    Ok(Reply::ok(json!({ "variants": bodies })))
}

pub(super) fn variant(shop: &Shop, id: i64) -> Answered {
    let found = shop.catalog.variants.get(&id);
    let variant = found.ok_or_else(Refused::not_found)?;
    live(shop, variant.product)?;
    Ok(Reply::ok(
        json!({ "variant": bodies::variant(shop, variant) }),
    ))
}

fn live(shop: &Shop, id: i64) -> Result<&Product, Refused> {
    let found = shop.catalog.products.get(&id);
    found
        .filter(|product| !product.deleted)
        .ok_or_else(Refused::not_found)
}
