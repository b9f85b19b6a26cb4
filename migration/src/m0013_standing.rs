//! What a store may take of a shared server, where somebody or the rules decided otherwise than usual.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, text};

use crate::table::{drop_tables, keyed_by};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(standing()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["standing"]).await
    }
}

/// A store that is suspended, or has notice of it, keeps the standing that the rules gave it beneath that.
fn standing() -> TableCreateStatement {
    Table::create()
        .table("standing")
        .col(big_integer("store"))
        .col(text("standing"))
        .col(big_integer("since"))
        .col(text("reason"))
        .col(text("decided_by"))
        .col(big_integer_null("pinned_until"))
        .col(big_integer_null("suspended_at"))
        .col(text("suspended_for"))
        .col(text("suspended_by"))
        .primary_key(&mut keyed_by(&["store"]))
        .take()
}
