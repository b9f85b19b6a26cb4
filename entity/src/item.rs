//! What is known of an inventory item.

use sea_orm::entity::prelude::*;

#[expect(
    clippy::struct_excessive_bools,
    reason = "independent properties of an item, each a column"
)]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "item")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub store: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub item: i64,
    pub variant: Option<i64>,
    pub product: Option<i64>,
    pub tracked: bool,
    pub sells_when_out: bool,
    pub composite: bool,
    pub gone: bool,
    pub unusable: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
