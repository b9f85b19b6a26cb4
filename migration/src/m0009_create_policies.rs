//! What merchants decide for their stores.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text};

use crate::table::{drop_tables, keyed_by};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(store_policy()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["store_policy"]).await
    }
}

fn store_policy() -> TableCreateStatement {
    Table::create()
        .table("store_policy")
        .col(big_integer("store"))
        .col(text("doc"))
        .primary_key(&mut keyed_by(&["store"]))
        .take()
}
