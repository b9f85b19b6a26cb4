//! An order that concerns a bundle, with its ledger, as a document.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_order")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub store: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: i64,
    pub settled: bool,
    pub updated_at: i64,
    /// Since when it is in doubt where it ships from, milliseconds; 0: it is not.
    pub doubted_since: i64,
    #[sea_orm(column_type = "Text")]
    pub doc: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
