//! Pieces that several steps are made of.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm;

/// A primary key over these columns.
pub(crate) fn keyed_by(columns: &[&'static str]) -> IndexCreateStatement {
    let mut key = Index::create();
    for column in columns {
        key.col(*column);
    }
    key
}

pub(crate) fn index(
    name: &'static str,
    table: &'static str,
    columns: &[&'static str],
) -> IndexCreateStatement {
    keyed_by(columns).name(name).table(table).take()
}

pub(crate) fn unique_index(
    name: &'static str,
    table: &'static str,
    columns: &[&'static str],
) -> IndexCreateStatement {
    index(name, table, columns).unique().take()
}

/// Drops the tables in the order given, with their indexes.
pub(crate) async fn drop_tables(
    manager: &SchemaManager<'_>,
    tables: &[&'static str],
) -> Result<(), DbErr> {
    for table in tables {
        manager
            .drop_table(Table::drop().table(*table).take())
            .await?;
    }
    Ok(())
}

/// Stores a table of short rows in its key's index alone where the database keeps it beside the rows (SQLite): half
/// the pages to write for each.
pub(crate) fn by_key_only(
    manager: &SchemaManager<'_>,
    mut table: TableCreateStatement,
) -> TableCreateStatement {
    if manager.get_database_backend() == sea_orm::DbBackend::Sqlite {
        table.extra("WITHOUT ROWID");
    }
    table
}
