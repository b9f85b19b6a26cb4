//! What a keeper has taken of its log ahead of its cursor: at most two spans `[from, to)`, so that what is left falls into
//! at most three segments. As numbers, so that a backlog is counted without reading a document.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer;

/// SQLite alters one column at a time.
const COLUMNS: [&str; 4] = ["near_from", "near_to", "far_from", "far_to"];

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// Killed half-way it must begin anew.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    /// Until now everything was taken in order.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in COLUMNS {
            let added = Table::alter()
                .table("keeper")
                .add_column(big_integer(column).default(0))
                .take();
            manager.alter_table(added).await?;
        }
        Ok(())
    }

    /// What was taken ahead of the cursor is taken again, and counted once more: such rows tell nothing new then.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in COLUMNS {
            let dropped = Table::alter().table("keeper").drop_column(column).take();
            manager.alter_table(dropped).await?;
        }
        Ok(())
    }
}
