//! The schema's steps, up and down.

use migration::{MigrationStatus, Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DbBackend};

use super::connect::{Db, statement};
use super::error::DbError;

/// A step of the schema and whether it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: String,
    pub applied: bool,
}

/// Takes every step that was not taken yet.
pub async fn up(db: &Db) -> Result<(), DbError> {
    Ok(Migrator::up(db.writers(), None).await?)
}

/// Takes back the last `steps` steps, or all. Deletes what they hold.
pub async fn down(db: &Db, steps: Option<u32>) -> Result<(), DbError> {
    Ok(Migrator::down(db.writers(), steps).await?)
}

/// All steps, oldest first.
pub async fn status(db: &Db) -> Result<Vec<Step>, DbError> {
    let migrations = Migrator::get_migration_with_status(db.writers()).await?;
    Ok(migrations
        .into_iter()
        .map(|migration| Step {
            name: migration.name().to_owned(),
            applied: migration.status() == MigrationStatus::Applied,
        })
        .collect())
}

/// All steps of a database that is not there yet.
#[must_use]
pub fn status_of_none() -> Vec<Step> {
    Migrator::get_migration_files()
        .iter()
        .map(|migration| Step {
            name: migration.name().to_owned(),
            applied: false,
        })
        .collect()
}

/// Names of the steps that were taken, in order; none where this program never was. Changes nothing.
pub(super) async fn steps_taken(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbError> {
    let has_table = if connection.get_database_backend() == DbBackend::Sqlite {
        "SELECT count(*) FROM sqlite_master WHERE name = 'seaql_migrations'"
    } else {
        "SELECT count(*) FROM information_schema.tables \
         WHERE table_schema = current_schema() AND table_name = 'seaql_migrations'"
    };
    let row = connection
        .query_one_raw(statement(connection, has_table, []))
        .await?
        .ok_or(DbError::NotFound("row"))?;
    if row.try_get_by_index::<i64>(0)? == 0 {
        return Ok(Vec::new());
    }
    let sql = "SELECT version FROM seaql_migrations ORDER BY version";
    let rows = connection
        .query_all_raw(statement(connection, sql, []))
        .await?;
    let names = rows.iter().map(|row| row.try_get_by_index(0));
    Ok(names.collect::<Result<_, _>>()?)
}

/// How many steps these are, when they are this version's first ones; else what is wrong with them.
pub(super) fn count_of_known(steps: &[String]) -> Result<u32, String> {
    let known = status_of_none();
    let expected = known.iter().map(|step| &step.name);
    if let Some(unknown) = steps
        .iter()
        .zip(expected.map(Some).chain(std::iter::repeat(None)))
        .find_map(|(step, known)| (Some(step) != known).then_some(step))
    {
        return Err(format!(
            "its schema has the step {unknown}, which this version does not: use the version that made it"
        ));
    }
    Ok(u32::try_from(steps.len()).unwrap_or(u32::MAX))
}
