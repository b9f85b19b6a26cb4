//! The commands and their flags.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::admin_token::AdminTokenArgs;
use super::backup::{BackupArgs, RestoreArgs};
use super::dead_letters::DeadLettersCommand;
use super::demo::DemoArgs;
use super::error::CliError;
use super::migrate::MigrateCommand;
use super::rotate_key::RotateKeyArgs;
use super::safe_mode::SafeModeCommand;
use super::sandbox::SandboxArgs;
use super::stores::StoresCommand;
use crate::config::{Config, Layers};

/// An e-commerce server in which every merchant's store has its own supervised keeper.
///
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "storekeeper", version, args_conflicts_with_subcommands = true)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: ServerArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve webhooks, the API and the dashboard until told to stop.
    Serve(ServerArgs),
    /// Change the database's schema, or show its state.
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// Write the whole database into a new file, also while a server uses it.
    Backup(BackupArgs),
    /// Put a backup where no database is yet.
    Restore(RestoreArgs),
    /// Make an operator's token of any role, for another person or when the first is lost; works on the database, also while a server uses it.
    AdminToken(AdminTokenArgs),
    /// Seal all secrets in the database under another key; no server may use it meanwhile.
    RotateKey(RotateKeyArgs),
    /// Check the configuration and print what is in force; secrets are not shown.
    CheckConfig(CheckConfigArgs),
    /// Show the server at work against the emulated platform, and judge it.
    Demo(DemoArgs),
    /// Run the emulated platform alone, for trying out and for developing apps.
    Sandbox(SandboxArgs),
    /// Look at the stores of a running server, and change how they are kept.
    Stores(StoresArgs),
    /// Look at what a running server has given up on, and decide about it.
    DeadLetters(DeadLettersArgs),
    /// Show what operators of a running server did, the newest first.
    Audit(AuditArgs),
    /// Tell whether a running server is in safe mode, in which it accepts webhooks and does nothing else; end it.
    SafeMode(SafeModeArgs),
    /// Show the threads of a running server, what its keepers do, who crashed, and who takes how much.
    Supervision(SupervisionArgs),
}

/// Where the database is.
#[derive(Debug, Args)]
pub(super) struct DatabaseArgs {
    /// TOML file with settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// `postgres://…` or `sqlite://…`; the embedded SQLite when left out.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Directory of the embedded database, the sealing key and the process lock.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDR")]
    bind: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct CheckConfigArgs {
    #[command(flatten)]
    pub(super) server: ServerArgs,
    /// Print the example file instead: every key with its unit, range and default.
    #[arg(long)]
    pub(super) example: bool,
}

#[derive(Debug, Args)]
pub(super) struct StoresArgs {
    #[command(flatten)]
    pub(super) admin: AdminArgs,
    #[command(subcommand)]
    pub(super) command: StoresCommand,
}

#[derive(Debug, Args)]
pub(super) struct DeadLettersArgs {
    #[command(flatten)]
    pub(super) admin: AdminArgs,
    #[command(subcommand)]
    pub(super) command: DeadLettersCommand,
}

#[derive(Debug, Args)]
pub(super) struct SafeModeArgs {
    #[command(flatten)]
    pub(super) admin: AdminArgs,
    #[command(subcommand)]
    pub(super) command: SafeModeCommand,
}

#[derive(Debug, Args)]
pub(super) struct SupervisionArgs {
    #[command(flatten)]
    pub(super) admin: AdminArgs,
}

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(flatten)]
    pub(super) admin: AdminArgs,
    /// Only what was done to this store.
    #[arg(long, value_name = "ID")]
    pub(super) store: Option<u64>,
}

/// How a running server is reached.
#[derive(Debug, Args)]
pub(super) struct AdminArgs {
    /// TOML file with settings.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The server's address (setting `admin.url`).
    #[arg(long, value_name = "URL", global = true)]
    url: Option<String>,
    /// The admin token; better set `STOREKEEPER__ADMIN__TOKEN`, which other users of the machine cannot see.
    #[arg(long, value_name = "TOKEN", global = true)]
    token: Option<String>,
    /// Print the server's answer as JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl DatabaseArgs {
    fn flags(&self) -> Vec<(&'static str, String)> {
        given([
            ("database.url", &self.database_url),
            ("database.data_dir", &self.data_dir),
        ])
    }

    pub(super) fn load(self) -> Result<Config, CliError> {
        let flags = self.flags();
        Ok(Layers::of_process(self.config, flags).load()?)
    }
}

impl ServerArgs {
    pub(super) fn load(self) -> Result<Config, CliError> {
        let mut flags = self.database.flags();
        flags.extend(given([("server.bind", &self.bind)]));
        Ok(Layers::of_process(self.database.config, flags).load()?)
    }
}

impl AdminArgs {
    pub(super) fn load(self) -> Result<Config, CliError> {
        let flags = given([("admin.url", &self.url), ("admin.token", &self.token)]);
        Ok(Layers::of_process(self.config, flags).load()?)
    }
}

fn given<const COUNT: usize>(
    flags: [(&'static str, &Option<String>); COUNT],
) -> Vec<(&'static str, String)> {
    flags
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect()
}
