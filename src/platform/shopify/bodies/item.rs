//! Items: `inventory_items/create` and `inventory_items/update`.

use serde::Deserialize;

use crate::domain::fact::ItemSnapshot;
use crate::ids::ItemId;
use crate::platform::Malformed;
use crate::platform::shopify::scalar::{Id, Scalar};

/// The part of an item that concerns stock.
#[derive(Deserialize)]
pub(super) struct ItemBody {
    #[serde(default)]
    id: Scalar<Id>,
    #[serde(default)]
    admin_graphql_api_id: Scalar<Id>,
    #[serde(default)]
    tracked: Scalar<bool>,
}

impl ItemBody {
    pub(super) fn into_snapshot(self) -> Result<ItemSnapshot, Malformed> {
        let Id(item) = self
            .id
            .or_global(self.admin_graphql_api_id)
            .required("id")?;
        Ok(ItemSnapshot {
            item: ItemId(item),
            variant: None,
            product: None,
            tracked: self.tracked.optional("tracked")?,
            sells_when_out: None,
            composite: None,
        })
    }
}
