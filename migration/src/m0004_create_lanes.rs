//! What waits or was given up, and replies to idempotency keys.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, blob, blob_null, text, text_null};

use crate::table::{drop_tables, index, keyed_by};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [parked(), dead_letter(), idempotent_reply()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["idempotent_reply", "dead_letter", "parked"]).await
    }
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        index(
            "dead_letter_store_class",
            "dead_letter",
            &["store", "class"],
        ),
        index("idempotent_reply_at", "idempotent_reply", &["at"]),
    ]
}

fn parked() -> TableCreateStatement {
    Table::create()
        .table("parked")
        .col(big_integer("store"))
        .col(big_integer("seq"))
        .col(big_integer("lane"))
        .col(big_integer("attempts"))
        .col(big_integer("due_at"))
        .col(big_integer("behind_seq"))
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

fn dead_letter() -> TableCreateStatement {
    Table::create()
        .table("dead_letter")
        .col(text("id"))
        .col(big_integer("store"))
        .col(text("class"))
        .col(text("reason"))
        .col(big_integer("at"))
        .col(big_integer_null("seq"))
        .col(text_null("topic"))
        .col(text_null("delivery_id"))
        .col(text_null("event_id"))
        .col(big_integer_null("triggered_at"))
        .col(text_null("api_version"))
        .col(big_integer_null("received_at"))
        .col(blob_null("body"))
        .primary_key(&mut keyed_by(&["id"]))
        .take()
}

fn idempotent_reply() -> TableCreateStatement {
    Table::create()
        .table("idempotent_reply")
        .col(big_integer("store"))
        .col(text("key"))
        .col(text("digest"))
        .col(big_integer("status"))
        .col(text("body"))
        .col(big_integer("at"))
        .primary_key(&mut keyed_by(&["store", "key"]))
        .take()
}
