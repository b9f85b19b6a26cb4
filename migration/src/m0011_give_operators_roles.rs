//! Operators' tokens have a role and a name, and the audit can be read store by store.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text;

use crate::table::index;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// Killed half-way it must begin anew.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    /// Until now every token was an admin's.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in [text("role").default("admin"), text("name").default("")] {
            let added = Table::alter()
                .table("operator_token")
                .add_column(column)
                .take();
            manager.alter_table(added).await?;
        }
        let by_store = index("audit_store", "audit", &["store", "id"]);
        manager.create_index(by_store).await
    }

    /// A token that may do less than an admin's would become one, so it goes.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for step in [
            "DROP INDEX audit_store",
            "DELETE FROM operator_token WHERE role <> 'admin'",
        ] {
            connection.execute_unprepared(step).await?;
        }
        for column in ["role", "name"] {
            let dropped = Table::alter()
                .table("operator_token")
                .drop_column(column)
                .take();
            manager.alter_table(dropped).await?;
        }
        Ok(())
    }
}
