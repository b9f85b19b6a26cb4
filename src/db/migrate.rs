//! The schema's steps, up and down.

use migration::{MigrationStatus, Migrator, MigratorTrait};

use super::connect::Db;
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
