//! What was given up, with the inbox row it came from.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letter")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub id: String,
    pub store: i64,
    #[sea_orm(column_type = "Text")]
    pub class: String,
    #[sea_orm(column_type = "Text")]
    pub reason: String,
    pub at: i64,
    pub seq: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub topic: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub delivery_id: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub event_id: Option<String>,
    pub triggered_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub api_version: Option<String>,
    pub received_at: Option<i64>,
    #[sea_orm(column_type = "Blob", nullable)]
    pub body: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
