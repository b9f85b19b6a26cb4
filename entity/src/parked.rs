//! An inbox row that cannot be applied yet, with its schedule.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "parked")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub store: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub lane: i64,
    pub attempts: i64,
    pub due_at: i64,
    pub behind_seq: i64,
    #[sea_orm(column_type = "Text")]
    pub topic: String,
    #[sea_orm(column_type = "Text")]
    pub delivery_id: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub event_id: Option<String>,
    pub triggered_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub api_version: Option<String>,
    pub received_at: i64,
    #[sea_orm(column_type = "Blob")]
    pub body: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
