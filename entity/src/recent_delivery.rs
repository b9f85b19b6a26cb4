//! A delivery id that came lately, in the order of commits; filed into `delivery` later.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "recent_delivery")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub number: i64,
    pub store: i64,
    #[sea_orm(column_type = "Text")]
    pub delivery_id: String,
    pub received_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
