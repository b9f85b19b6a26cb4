//! `storekeeper backup FILE` and `storekeeper restore FILE`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::command_line::DatabaseArgs;
use super::error::CliError;
use super::print;
use crate::app;
use crate::clock::{Clock, Timestamp};
use crate::db::backup::{self, Copied};
use crate::ids::IdSource;

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The backup: a SQLite file, whichever database it is of.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) async fn backup(BackupArgs { file, database }: BackupArgs) -> Result<(), CliError> {
    let started = Clock::System.now();
    let config = database.load()?;
    let copied = backup::write(&app::database_options(&config), &file).await?;
    let shown = file.display();
    print::line(&format!("{shown}: {}", told(copied, started)));
    print::line(if config.secrets.key.is_empty() {
        "the sealing key is not in it: keep secrets.key of the data directory elsewhere, no restore works without it"
    } else {
        "the sealing key is not in it: keep the setting secrets.key elsewhere, no restore works without it"
    });
    Ok(())
}

pub(super) async fn restore(BackupArgs { file, database }: BackupArgs) -> Result<(), CliError> {
    let started = Clock::System.now();
    let config = database.load()?;
    let sealer = app::sealer_if_there(&config, Arc::new(IdSource::from_os()))?;
    let options = app::database_options(&config);
    let copied = backup::restore(&options, &file, sealer.as_ref()).await?;
    print::line(&format!(
        "restored from {}: {}",
        file.display(),
        told(copied, started)
    ));
    print::line(
        "what was taken or given back on the platform since the backup is not in it, and would be once more: pause the \
         stores that were at work since then before the server begins, and look at their stock",
    );
    Ok(())
}

fn told(
    Copied {
        stores,
        rows,
        bytes,
    }: Copied,
    started: Timestamp,
) -> String {
    let took_ms = Clock::System.now().millis_since(started);
    format!("{stores} stores, {rows} rows, {bytes} bytes in {took_ms} ms")
}
