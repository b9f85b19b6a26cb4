//! Items and levels as rows.

use entity::{item, level};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

use super::grid::Grid;
use crate::clock::Timestamp;
use crate::domain::store::change::{ItemRecord, LevelRecord};
use crate::ids::{ItemId, LocationId, ProductId, StoreId, VariantId};

pub(super) async fn list_items(
    connection: &impl ConnectionTrait,
    store: StoreId,
) -> Result<Vec<ItemRecord>, DbErr> {
    let rows = item::Entity::find()
        .filter(item::Column::Store.eq(store.0))
        .all(connection)
        .await?;
    Ok(rows.iter().map(item_record).collect())
}

pub(super) async fn list_levels(
    connection: &impl ConnectionTrait,
    store: StoreId,
) -> Result<Vec<LevelRecord>, DbErr> {
    let rows = level::Entity::find()
        .filter(level::Column::Store.eq(store.0))
        .all(connection)
        .await?;
    Ok(rows.iter().map(level_record).collect())
}

pub(super) fn item_model(store: StoreId, record: &ItemRecord) -> item::Model {
    item::Model {
        store: store.0,
        item: record.item.0,
        variant: record.variant.map(|variant| variant.0),
        product: record.product.map(|product| product.0),
        tracked: record.tracked,
        sells_when_out: record.sells_when_out,
        composite: record.composite,
        gone: record.gone,
        unusable: record.unusable,
    }
}

pub(super) fn level_model(store: StoreId, record: &LevelRecord) -> level::Model {
    level::Model {
        store: store.0,
        item: record.item.0,
        location: record.location.0,
        available: record.available,
        stamp: record.stamp.as_millis(),
        unsure: record.unsure,
    }
}

/// Deletes the levels of these stores, items and locations.
pub(super) async fn delete_levels(
    connection: &impl ConnectionTrait,
    levels: &[(StoreId, i64, i64)],
) -> Result<(), DbErr> {
    let mut grid = Grid::new(&["store", "item", "location"]);
    for (store, item, location) in levels {
        grid.push(vec![store.0.into(), (*item).into(), (*location).into()]);
    }
    let delete =
        "DELETE FROM level WHERE (store, item, location) IN (SELECT store, item, location FROM g)";
    grid.execute(connection, delete).await.map(drop)
}

fn item_record(row: &item::Model) -> ItemRecord {
    ItemRecord {
        item: ItemId(row.item),
        variant: row.variant.map(VariantId),
        product: row.product.map(ProductId),
        tracked: row.tracked,
        sells_when_out: row.sells_when_out,
        composite: row.composite,
        gone: row.gone,
        unusable: row.unusable,
    }
}

fn level_record(row: &level::Model) -> LevelRecord {
    LevelRecord {
        item: ItemId(row.item),
        location: LocationId(row.location),
        available: row.available,
        stamp: Timestamp::from_millis(row.stamp),
        unsure: row.unsure,
    }
}
