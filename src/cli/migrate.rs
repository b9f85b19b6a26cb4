//! `storekeeper migrate …`.

use clap::{Args, Subcommand};

use super::command_line::DatabaseArgs;
use super::error::CliError;
use super::print;
use crate::app;
use crate::db::{DataDirLock, DatabaseLock, Db, backup, migrate};

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
            let schema = Schema::open(database).await?;
            migrate::up(&schema.db).await?;
            schema.show().await
        }
        MigrateCommand::Down(DownArgs {
            database,
            steps,
            all,
        }) => {
            let schema = Schema::open(database).await?;
            migrate::down(&schema.db, (!all).then_some(steps)).await?;
            schema.show().await
        }
        MigrateCommand::Status(database) => status(database).await,
    }
}

/// Makes nothing: whoever only looks must not leave a database behind.
async fn status(database: DatabaseArgs) -> Result<(), CliError> {
    let config = database.load()?;
    let options = app::database_options(&config);
    if !backup::exists(&options) {
        let data_dir = options.data_dir.display();
        print::line(&format!(
            "no database yet in {data_dir}: the server makes one when it starts, or `storekeeper migrate up`"
        ));
        show_steps(&migrate::status_of_none());
        return Ok(());
    }
    let db = Db::connect(&options).await?;
    show_steps(&migrate::status(&db).await?);
    Ok(db.close().await?)
}

fn show_steps(steps: &[migrate::Step]) {
    for step in steps {
        let state = if step.applied { "applied" } else { "pending" };
        print::line(&format!("{state}  {}", step.name));
    }
}

/// A database that no server uses meanwhile.
struct Schema {
    db: Db,
    /// Held until the end.
    _directory_lock: DataDirLock,
    database_lock: Option<DatabaseLock>,
}

impl Schema {
    async fn open(arguments: DatabaseArgs) -> Result<Self, CliError> {
        let options = app::database_options(&arguments.load()?);
        Ok(Self {
            _directory_lock: DataDirLock::acquire(&options.data_dir)?,
            database_lock: DatabaseLock::acquire(&options).await?,
            db: Db::connect(&options).await?,
        })
    }

    async fn show(self) -> Result<(), CliError> {
        show_steps(&migrate::status(&self.db).await?);
        self.db.close().await?;
        if let Some(lock) = &self.database_lock {
            lock.release().await?;
        }
        Ok(())
    }
}
