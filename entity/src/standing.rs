//! What a store may take of a shared server; no row: as much as everybody.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "standing")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub store: i64,
    #[sea_orm(column_type = "Text")]
    pub standing: String,
    pub since: i64,
    #[sea_orm(column_type = "Text")]
    pub reason: String,
    #[sea_orm(column_type = "Text")]
    pub decided_by: String,
    pub pinned_until: Option<i64>,
    pub suspended_at: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub suspended_for: String,
    #[sea_orm(column_type = "Text")]
    pub suspended_by: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
