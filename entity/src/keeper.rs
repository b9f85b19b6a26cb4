//! A keeper's own row: fence, cursor, counters. Written only by the keeper.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "keeper")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub store: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub grant_id: Option<String>,
    pub granted_at: Option<i64>,
    pub applied_seq: i64,
    pub cursor: i64,
    pub applied: i64,
    pub naked: i64,
    pub parked: i64,
    pub dead: i64,
    pub oldest_at: Option<i64>,
    pub wake_at: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub memo: String,
    /// `installed_at` of the store when the keeper loaded it; 0: it has not said yet.
    pub installation: i64,
    /// Rows that were taken ahead of the cursor, `[from, to)`; both 0: none. These are the nearer ones,
    pub near_from: i64,
    pub near_to: i64,
    /// and these the farther.
    pub far_from: i64,
    pub far_to: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
