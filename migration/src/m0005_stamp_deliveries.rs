//! Delivery ids by the moment they came instead of by day: rows of one day stood in its index in the order of their
//! ids, which is none, so that each cost two pages; by the moment each is added at the end.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm;

use crate::table::index;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// Killed half-way it must begin anew.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        may_last(manager).await?;
        drop_index(manager, "delivery_day").await?;
        let connection = manager.get_connection();
        for step in [
            "ALTER TABLE delivery RENAME COLUMN day TO received_at",
            // The end of the day: none is forgotten early.
            "UPDATE delivery SET received_at = received_at * 86400000 + 86399999",
        ] {
            connection.execute_unprepared(step).await?;
        }
        manager
            .create_index(index("delivery_received_at", "delivery", &["received_at"]))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        may_last(manager).await?;
        drop_index(manager, "delivery_received_at").await?;
        let connection = manager.get_connection();
        for step in [
            "UPDATE delivery SET received_at = received_at / 86400000",
            "ALTER TABLE delivery RENAME COLUMN received_at TO day",
        ] {
            connection.execute_unprepared(step).await?;
        }
        manager
            .create_index(index("delivery_day", "delivery", &["day"]))
            .await
    }
}

/// Every id is written anew: that may take longer than a statement may otherwise.
async fn may_last(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if manager.get_database_backend() == sea_orm::DbBackend::Postgres {
        let connection = manager.get_connection();
        connection
            .execute_unprepared("SET LOCAL statement_timeout = 0")
            .await?;
    }
    Ok(())
}

async fn drop_index(manager: &SchemaManager<'_>, name: &'static str) -> Result<(), DbErr> {
    manager
        .drop_index(Index::drop().name(name).table("delivery").to_owned())
        .await
}
