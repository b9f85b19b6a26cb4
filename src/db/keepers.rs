//! A keeper's own row, and everything of its store that it reads when it is activated.

use entity::{keeper, store as store_table};
use sea_orm::{ConnectionTrait, EntityTrait};

use super::admin::standings;
use super::connect::{Db, statement};
use super::error::DbError;
use super::{bundles, calls, document, orders, parking, policies, stock};
use crate::clock::Timestamp;
use crate::domain::backlog::Span;
use crate::domain::standing::Record;
use crate::domain::store::change::KeeperRecord;
use crate::domain::store::state::Loaded;
use crate::ids::{GrantId, StoreId};

/// A keeper's start: the fence under which it commits, and its store as the database has it.
#[derive(Clone, Debug)]
pub struct Activation {
    /// What the first commit expects.
    pub applied_seq: i64,
    pub loaded: Loaded,
    pub plan: Option<String>,
    pub standing: Record,
}

/// Takes the store for `grant`, so that no earlier grant can commit any more (INV-E), then reads the store.
pub async fn activate(
    db: &Db,
    store: StoreId,
    grant: GrantId,
    now: Timestamp,
) -> Result<Activation, DbError> {
    claim(db, store, grant, now).await?;
    db.reading_store(load(db, store)).await
}

/// The keeper's row, when the store was ever activated.
pub async fn find(db: &Db, store: StoreId) -> Result<Option<KeeperRecord>, DbError> {
    let row = db
        .reading(keeper::Entity::find_by_id(store.0).one(db.readers()))
        .await?;
    row.as_ref().map(record).transpose()
}

async fn claim(db: &Db, store: StoreId, grant: GrantId, now: Timestamp) -> Result<(), DbError> {
    const CLAIM: &str = "INSERT INTO keeper (store, grant_id, granted_at, applied_seq, cursor, applied, naked, parked, \
        dead, memo, installation) SELECT store, $1, $2, 0, 0, 0, 0, 0, 0, $3, 0 FROM inbox_head WHERE store = $4 \
        ON CONFLICT (store) DO UPDATE SET grant_id = excluded.grant_id, granted_at = excluded.granted_at";
    let memo = document::write("memo", &crate::domain::store::state::Memo::default())?;
    let values = [
        grant.to_string().into(),
        now.as_millis().into(),
        memo.into(),
        store.0.into(),
    ];
    let claimed = db
        .writers()
        .execute_raw(statement(db.writers(), CLAIM, values))
        .await?;
    if claimed.rows_affected() == 1 {
        Ok(())
    } else {
        Err(DbError::NotFound("store"))
    }
}

/// Takes the store from its keeper for good.
pub(super) async fn revoke(
    connection: &impl ConnectionTrait,
    store: StoreId,
) -> Result<(), DbError> {
    let sql = "UPDATE keeper SET grant_id = NULL WHERE store = $1";
    connection
        .execute_raw(statement(connection, sql, [store.0.into()]))
        .await?;
    Ok(())
}

async fn load(db: &Db, store: StoreId) -> Result<Activation, DbError> {
    let snapshot = db.snapshot().await?;
    let row = keeper::Entity::find_by_id(store.0)
        .one(&snapshot)
        .await?
        .ok_or(DbError::NotFound("keeper"))?;
    let keeper = record(&row)?;
    let places_confirmed = keeper.memo.places_confirmed;
    let row_of_store = store_table::Entity::find_by_id(store.0)
        .one(&snapshot)
        .await?;
    let installed_at = row_of_store.as_ref().map(|row| row.installed_at);
    let standing = standings::load(&snapshot, store).await?;
    let loaded = Loaded {
        keeper,
        installed_at: installed_at.map(Timestamp::from_millis),
        items: stock::list_items(&snapshot, store).await?,
        levels: stock::list_levels(&snapshot, store).await?,
        bundles: bundles::list(&snapshot, store).await?,
        policy: policies::load(&snapshot, store).await?,
        pending_orders: orders::list_pending(&snapshot, store, places_confirmed).await?,
        known_orders: orders::list_ids(&snapshot, store).await?,
        calls: calls::list(&snapshot, store).await?,
        parked: parking::list(&snapshot, store).await?,
    };
    snapshot.commit().await?;
    Ok(Activation {
        applied_seq: row.applied_seq,
        loaded,
        plan: row_of_store.and_then(|row| row.plan),
        standing,
    })
}

fn record(row: &keeper::Model) -> Result<KeeperRecord, DbError> {
    Ok(KeeperRecord {
        cursor: row.cursor,
        ahead: [
            Span {
                from: row.near_from,
                to: row.near_to,
            },
            Span {
                from: row.far_from,
                to: row.far_to,
            },
        ],
        applied: row.applied,
        naked: row.naked,
        parked: row.parked,
        dead: row.dead,
        wake_at: row.wake_at.map(Timestamp::from_millis),
        memo: document::read("memo", &row.memo)?,
        installation: Some(Timestamp::from_millis(row.installation))
            .filter(|at| *at != Timestamp::EPOCH),
    })
}
