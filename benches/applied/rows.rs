//! The rows of the mix: half of them naked, four in ten cold, one in ten a sale of a bundle.

use storekeeper::clock::Timestamp;
use storekeeper::domain::bundle::Mode;
use storekeeper::domain::store::command::{BundleDraft, DraftComponent};
use storekeeper::ids::{BundleId, ItemId};

pub(crate) const LOCATION: i64 = 1;
/// Components of the store's one bundle, then the bundle, then an item in no bundle.
const COMPONENTS: [i64; 2] = [11, 12];
const BUNDLE: i64 = 100;
const PLAIN: i64 = 900;
/// When all levels were last changed on the platform: 2026-11-01T00:00:00Z.
pub(crate) const STOCKED_AT: Timestamp = Timestamp::from_millis(1_793_491_200_000);
/// Length of an order's body.
const ORDER_BYTES: usize = 1_500;

pub(crate) const fn variant_of(item: i64) -> i64 {
    item + 1_000
}

/// A bundle of two units of one component and one of another.
pub(crate) fn bundle(id: u128, arrived_at: Timestamp) -> BundleDraft {
    let component = |(item, quantity): (i64, i64)| DraftComponent {
        item: ItemId(item),
        quantity,
        optional: false,
    };
    BundleDraft {
        id: BundleId(uuid::Uuid::from_u128(id)),
        replaces: false,
        title: "Kit".to_owned(),
        item: ItemId(BUNDLE),
        mode: Mode::ShipTogether,
        cap: None,
        components: [(COMPONENTS[0], 2), (COMPONENTS[1], 1)]
            .map(component)
            .to_vec(),
        seen: None,
        arrived_at,
    }
}

/// Topic and body of a store's row, told at this time.
pub(crate) fn row(number: i64, at: Timestamp) -> (&'static str, String) {
    match number % 10 {
        0 => ("orders/create", order(number, BUNDLE, at)),
        // An echo that comes late: it tells nothing new.
        1..=4 => ("inventory_levels/update", late_level(COMPONENTS[0])),
        _ => ("orders/create", order(number, PLAIN, at)),
    }
}

fn order(number: i64, item: i64, at: Timestamp) -> String {
    let variant = variant_of(item);
    let body = format!(
        r#"{{"id":{id},"created_at":"{at}","updated_at":"{at}","cancelled_at":null,"location_id":null,"line_items":[{{"id":{line},"variant_id":{variant},"product_id":{product},"quantity":1}}],"refunds":[],"note":""}}"#,
        at = at.to_rfc3339(),
        id = 5_000_000 + number,
        line = 7_000_000 + number,
        product = item + 2_000,
    );
    let padding = "0".repeat(ORDER_BYTES.saturating_sub(body.len()));
    body.replace(r#""note":"""#, &format!(r#""note":"{padding}""#))
}

fn late_level(item: i64) -> String {
    format!(
        r#"{{"inventory_item_id":{item},"location_id":{LOCATION},"available":7,"updated_at":"2026-10-01T00:00:00Z","admin_graphql_api_id":"gid://shopify/InventoryLevel/{LOCATION}?inventory_item_id={item}"}}"#
    )
}
