//! `storekeeper migrate …`.

use clap::{Args, Subcommand};

use super::command_line::DatabaseArgs;
use super::error::CliError;
use super::print;
use crate::app;
use crate::db::{DataDirLock, DatabaseLock, Db, migrate};

#[derive(Debug, Subcommand)]
pub(super) enum MigrateCommand {
    /// Take every step that was not taken yet.
    Up(DatabaseArgs),
    /// Take steps back. What they hold is deleted.
    Down(DownArgs),
    /// Show which steps were taken.
    Status(DatabaseArgs),
}

#[derive(Debug, Args)]
pub(super) struct DownArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// How many steps.
    #[arg(long, default_value_t = 1, conflicts_with = "all", value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Every step: the database is empty afterwards.
    #[arg(long)]
    all: bool,
}

pub(super) async fn migrate(command: MigrateCommand) -> Result<(), CliError> {
    match command {
        MigrateCommand::Up(database) => {
            let schema = Schema::open(database, Access::Alone).await?;
            migrate::up(&schema.db).await?;
            schema.show().await
        }
        MigrateCommand::Down(DownArgs {
            database,
            steps,
            all,
        }) => {
            let schema = Schema::open(database, Access::Alone).await?;
            migrate::down(&schema.db, (!all).then_some(steps)).await?;
            schema.show().await
        }
        MigrateCommand::Status(database) => {
            Schema::open(database, Access::Shared).await?.show().await
        }
    }
}

/// Whether a server may run on the same database meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Alone,
    Shared,
}

struct Schema {
    db: Db,
    /// Held until the end.
    locks: Option<(DataDirLock, Option<DatabaseLock>)>,
}

impl Schema {
    async fn open(arguments: DatabaseArgs, access: Access) -> Result<Self, CliError> {
        let options = app::database_options(&arguments.load()?);
        let locks = match access {
            Access::Alone => {
                let directory = DataDirLock::acquire(&options.data_dir)?;
                Some((directory, DatabaseLock::acquire(&options).await?))
            }
            Access::Shared => None,
        };
        Ok(Self {
            db: Db::connect(&options).await?,
            locks,
        })
    }

    async fn show(self) -> Result<(), CliError> {
        for step in migrate::status(&self.db).await? {
            let state = if step.applied { "applied" } else { "pending" };
            print::line(&format!("{state}  {}", step.name));
        }
        self.db.close().await?;
        if let Some((_directory, Some(database))) = &self.locks {
            database.release().await?;
        }
        Ok(())
    }
}
