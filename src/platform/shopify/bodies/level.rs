//! Levels: `inventory_levels/*`, and the REST resource, which has the same shape.

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::domain::fact::LevelSnapshot;
use crate::ids::{ItemId, LocationId};
use crate::platform::Malformed;
use crate::platform::shopify::scalar::{Id, Level, LevelItem, Scalar};

/// A level, or in `inventory_levels/disconnect` only where it was.
#[derive(Deserialize)]
pub(in crate::platform::shopify) struct LevelBody {
    #[serde(default)]
    inventory_item_id: Scalar<Id>,
    #[serde(default)]
    location_id: Scalar<Id>,
    #[serde(default)]
    available: Scalar<Level>,
    #[serde(default)]
    updated_at: Scalar<Timestamp>,
    #[serde(default)]
    admin_graphql_api_id: Scalar<LevelItem>,
}

impl LevelBody {
    /// Null stock is unlimited stock; stock that is not told is malformed.
    pub(in crate::platform::shopify) fn into_snapshot(self) -> Result<LevelSnapshot, Malformed> {
        let (item, location) = self.place()?;
        Ok(LevelSnapshot {
            item,
            location,
            available: self
                .available
                .nullable("available")?
                .map(|Level(units)| units),
            updated_at: self.updated_at.required("updated_at")?,
        })
    }

    pub(super) fn place(&self) -> Result<(ItemId, LocationId), Malformed> {
        let global = self
            .admin_graphql_api_id
            .known()
            .map_or(Scalar::Missing, |LevelItem(id)| Scalar::Is(id));
        let Id(item) = self
            .inventory_item_id
            .or_global(global)
            .required("inventory_item_id")?;
        let Id(location) = self.location_id.required("location_id")?;
        Ok((ItemId(item), LocationId(location)))
    }
}
