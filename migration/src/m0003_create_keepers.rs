//! What a keeper holds: its own row, stock, bundles, orders, calls.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, text, text_null};

use crate::table::{drop_tables, index, keyed_by};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [keeper(), item(), level(), bundle(), ledger_order(), call()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &["call", "ledger_order", "bundle", "level", "item", "keeper"],
        )
        .await
    }
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        index("keeper_wake_at", "keeper", &["wake_at"]),
        index(
            "ledger_order_settled",
            "ledger_order",
            &["store", "settled"],
        ),
    ]
}

fn keeper() -> TableCreateStatement {
    Table::create()
        .table("keeper")
        .col(big_integer("store"))
        .col(text_null("grant_id"))
        .col(big_integer_null("granted_at"))
        .col(big_integer("applied_seq"))
        .col(big_integer("cursor"))
        .col(big_integer("applied"))
        .col(big_integer("naked"))
        .col(big_integer("parked"))
        .col(big_integer("dead"))
        .col(big_integer_null("oldest_at"))
        .col(big_integer_null("wake_at"))
        .col(text("memo"))
        .primary_key(&mut keyed_by(&["store"]))
        .take()
}

fn item() -> TableCreateStatement {
    Table::create()
        .table("item")
        .col(big_integer("store"))
        .col(big_integer("item"))
        .col(big_integer_null("variant"))
        .col(big_integer_null("product"))
        .col(boolean("tracked"))
        .col(boolean("sells_when_out"))
        .col(boolean("composite"))
        .col(boolean("gone"))
        .col(boolean("unusable"))
        .primary_key(&mut keyed_by(&["store", "item"]))
        .take()
}

fn level() -> TableCreateStatement {
    Table::create()
        .table("level")
        .col(big_integer("store"))
        .col(big_integer("item"))
        .col(big_integer("location"))
        .col(big_integer_null("available"))
        .col(big_integer("stamp"))
        .col(boolean("unsure"))
        .primary_key(&mut keyed_by(&["store", "item", "location"]))
        .take()
}

fn bundle() -> TableCreateStatement {
    Table::create()
        .table("bundle")
        .col(big_integer("store"))
        .col(text("id"))
        .col(boolean("deleted"))
        .col(text("doc"))
        .primary_key(&mut keyed_by(&["store", "id"]))
        .take()
}

fn ledger_order() -> TableCreateStatement {
    Table::create()
        .table("ledger_order")
        .col(big_integer("store"))
        .col(big_integer("order_id"))
        .col(boolean("settled"))
        .col(big_integer("updated_at"))
        .col(text("doc"))
        .primary_key(&mut keyed_by(&["store", "order_id"]))
        .take()
}

fn call() -> TableCreateStatement {
    Table::create()
        .table("call")
        .col(big_integer("store"))
        .col(text("id"))
        .col(big_integer("created_at"))
        .col(big_integer("attempts"))
        .col(big_integer("due_at"))
        .col(text("doc"))
        .primary_key(&mut keyed_by(&["store", "id"]))
        .take()
}
