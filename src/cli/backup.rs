//! `storekeeper backup FILE` and `storekeeper restore FILE`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::command_line::DatabaseArgs;
use super::error::CliError;
use super::print;
use crate::app;
use crate::clock::{Clock, Timestamp};
use crate::db::backup::{self, Copied, Restored, Stores};
use crate::ids::IdSource;

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The backup: a SQLite file, whichever database it is of.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// What `storekeeper backup` wrote.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Let the stores go on at once: no server has made calls for them since the backup. Without it those with bundles
    /// are paused, for what was taken on the platform since then would be taken once more
    #[arg(long)]
    go_on: bool,
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

pub(super) async fn restore(
    RestoreArgs {
        file,
        go_on,
        database,
    }: RestoreArgs,
) -> Result<(), CliError> {
    let started = Clock::System.now();
    let config = database.load()?;
    let sealer = app::sealer_if_there(&config, Arc::new(IdSource::from_os()))?;
    let options = app::database_options(&config);
    let stores = if go_on { Stores::GoOn } else { Stores::Pause };
    let Restored { copied, paused } =
        backup::restore(&options, &file, sealer.as_ref(), stores).await?;
    let told = told(copied, started);
    print::line(&format!("restored from {}: {told}", file.display()));
    if paused > 0 {
        print::line(&format!(
            "{paused} stores are paused: what was taken or given back on the platform since the backup is not in it, and \
             is once more when a store goes on. Resume them one by one (storekeeper stores resume ID), and put their \
             components' stock right afterwards"
        ));
    }
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
