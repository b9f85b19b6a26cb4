//! What a merchant decided for the whole store, as a document.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "store_policy")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub store: i64,
    #[sea_orm(column_type = "Text")]
    pub doc: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
