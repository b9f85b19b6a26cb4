//! A store's intake token, sealed, beside its hash: subscriptions are made at the address that ends with it. Stores from
//! before have none, and keep the address of their platform.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::blob_null;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// Killed half-way it must begin anew.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let added = Table::alter()
            .table("store")
            .add_column(blob_null("intake_token"))
            .take();
        manager.alter_table(added).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dropped = Table::alter()
            .table("store")
            .drop_column("intake_token")
            .take();
        manager.alter_table(dropped).await
    }
}
