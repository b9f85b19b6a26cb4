//! Delivery ids in the order in which they came, until they are filed in the order of their key: see the server's
//! `db::writer::recent`. On SQLite alone rows come to stand here.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text};

use crate::table::drop_tables;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// Killed half-way it must begin anew.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("recent_delivery")
            // No number comes twice, whatever was deleted: what is filed is told by it.
            .col(big_integer("number").auto_increment().primary_key())
            .col(big_integer("store"))
            .col(text("delivery_id"))
            .col(big_integer("received_at"))
            .take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let file = "INSERT INTO delivery (store, delivery_id, received_at) \
            SELECT store, delivery_id, MAX(received_at) FROM recent_delivery WHERE true GROUP BY store, delivery_id \
            ON CONFLICT (store, delivery_id) DO NOTHING";
        manager.get_connection().execute_unprepared(file).await?;
        drop_tables(manager, &["recent_delivery"]).await
    }
}
