//! The durable inbox: heads, rows, and what tells duplicates.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, blob, text, text_null};

use crate::table::{by_key_only, drop_tables, index, keyed_by};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [inbox_head(), inbox()] {
            manager.create_table(table).await?;
        }
        for table in [delivery(), body_digest()] {
            manager.create_table(by_key_only(manager, table)).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["body_digest", "delivery", "inbox", "inbox_head"]).await
    }
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        index("delivery_day", "delivery", &["day"]),
        index("body_digest_received_at", "body_digest", &["received_at"]),
    ]
}

fn inbox_head() -> TableCreateStatement {
    Table::create()
        .table("inbox_head")
        .col(big_integer("store"))
        .col(big_integer("next_seq"))
        .col(big_integer("received"))
        .primary_key(&mut keyed_by(&["store"]))
        .take()
}

fn inbox() -> TableCreateStatement {
    Table::create()
        .table("inbox")
        .col(big_integer("store"))
        .col(big_integer("seq"))
        .col(text("topic"))
        .col(text("delivery_id"))
        .col(text_null("event_id"))
        .col(big_integer_null("triggered_at"))
        .col(text_null("api_version"))
        .col(big_integer("received_at"))
        .col(blob("body"))
        .primary_key(&mut keyed_by(&["store", "seq"]))
        .take()
}

fn delivery() -> TableCreateStatement {
    Table::create()
        .table("delivery")
        .col(big_integer("store"))
        .col(text("delivery_id"))
        .col(big_integer("day"))
        .primary_key(&mut keyed_by(&["store", "delivery_id"]))
        .take()
}

fn body_digest() -> TableCreateStatement {
    Table::create()
        .table("body_digest")
        .col(text("digest"))
        .col(big_integer("store"))
        .col(big_integer("received_at"))
        .primary_key(&mut keyed_by(&["digest", "store"]))
        .take()
}
