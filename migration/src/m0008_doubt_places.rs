//! Which reading of the locations ends the doubt where an order ships from, beside its document: one reading ends every
//! doubt from before it, and no row need be written for that.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// Killed half-way it must begin anew.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    /// Orders in doubt were kept as unsettled, and are loaded as such until they are written next.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let added = Table::alter()
            .table("ledger_order")
            .add_column(big_integer("doubted_until").default(0))
            .take();
        manager.alter_table(added).await?;
        // Few are in doubt at a time: the others cost no entry.
        let index = "CREATE INDEX ledger_order_doubted ON ledger_order (store, doubted_until) WHERE doubted_until > 0";
        manager.get_connection().execute_unprepared(index).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for step in [
            "UPDATE ledger_order SET settled = false WHERE doubted_until > 0",
            "DROP INDEX ledger_order_doubted",
        ] {
            connection.execute_unprepared(step).await?;
        }
        let dropped = Table::alter()
            .table("ledger_order")
            .drop_column("doubted_until")
            .take();
        manager.alter_table(dropped).await
    }
}
