//! Stores, their secrets, and what guards the admin door.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, blob, blob_null, text, text_null};

use crate::table::{drop_tables, index, keyed_by, unique_index};

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            store(),
            store_secret(),
            operator_token(),
            audit(),
            sealing_key_check(),
        ] {
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
            &[
                "sealing_key_check",
                "audit",
                "operator_token",
                "store_secret",
                "store",
            ],
        )
        .await
    }
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        unique_index("store_intake_token_hash", "store", &["intake_token_hash"]),
        unique_index("store_secret_key_hash", "store", &["secret_key_hash"]),
        unique_index(
            "store_publishable_key_hash",
            "store",
            &["publishable_key_hash"],
        ),
        // A deleted store leaves its domain free for a new installation.
        unique_index("store_platform_domain", "store", &["platform", "domain"])
            .and_where(Expr::col("deleted_at").is_null())
            .take(),
        index("store_secret_fingerprint", "store_secret", &["fingerprint"]),
        index("audit_at", "audit", &["at"]),
    ]
}

fn store() -> TableCreateStatement {
    Table::create()
        .table("store")
        .col(big_integer("id"))
        .col(text("platform"))
        .col(text("domain"))
        .col(text_null("name"))
        .col(text("api_base_url"))
        .col(text_null("plan"))
        .col(text("intake_token_hash"))
        .col(text("secret_key_hash"))
        .col(text("publishable_key_hash"))
        .col(text("status"))
        .col(big_integer("installed_at"))
        .col(big_integer("updated_at"))
        .col(big_integer_null("deleted_at"))
        .col(text("key_id"))
        .col(blob_null("access_token"))
        .col(blob_null("refresh_token"))
        .col(big_integer_null("token_expires_at"))
        .primary_key(&mut keyed_by(&["id"]))
        .take()
}

fn store_secret() -> TableCreateStatement {
    Table::create()
        .table("store_secret")
        .col(big_integer("store"))
        .col(big_integer("id"))
        .col(text("key_id"))
        .col(blob("sealed"))
        .col(text("fingerprint"))
        .col(big_integer("created_at"))
        .col(big_integer_null("revoked_at"))
        .primary_key(&mut keyed_by(&["store", "id"]))
        .take()
}

fn operator_token() -> TableCreateStatement {
    Table::create()
        .table("operator_token")
        .col(text("hash"))
        .col(big_integer("created_at"))
        .primary_key(&mut keyed_by(&["hash"]))
        .take()
}

fn audit() -> TableCreateStatement {
    Table::create()
        .table("audit")
        .col(text("id"))
        .col(big_integer("at"))
        .col(text("actor"))
        .col(text("action"))
        .col(big_integer_null("store"))
        .col(text("detail"))
        .primary_key(&mut keyed_by(&["id"]))
        .take()
}

fn sealing_key_check() -> TableCreateStatement {
    Table::create()
        .table("sealing_key_check")
        .col(text("key_id"))
        .col(blob("sealed"))
        .col(big_integer("created_at"))
        .primary_key(&mut keyed_by(&["key_id"]))
        .take()
}
