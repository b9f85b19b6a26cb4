//! From arguments to an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use super::command_line::{Command, CommandLine};
use super::error::CliError;
use super::{
    admin_token, audit, backup, check_config, dead_letters, demo, exit_code, migrate, print,
    rotate_key, safe_mode, sandbox, serve, stores, supervision,
};
use crate::app::AppParts;

/// Runs what `arguments` (the program's name first) ask for.
#[must_use]
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::from(run_with(arguments, AppParts::of_system()))
}

/// The same with what tests replace; gives the exit code.
#[doc(hidden)]
#[must_use]
pub fn run_with(arguments: impl Iterator<Item = OsString>, parts: AppParts) -> u8 {
    let parsed = match CommandLine::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(message) => {
            // Also help and version, which are no failure.
            let code = if message.use_stderr() {
                exit_code::USAGE
            } else {
                exit_code::SUCCESS
            };
            message.print().unwrap_or_default();
            return code;
        }
    };
    match dispatch(parsed, parts) {
        Ok(()) => exit_code::SUCCESS,
        Err(error) => {
            print::error_line(&format!("storekeeper: {error}"));
            exit_code::of(&error)
        }
    }
}

fn dispatch(CommandLine { command, serve }: CommandLine, parts: AppParts) -> Result<(), CliError> {
    let command = command.unwrap_or(Command::Serve(serve));
    match command {
        Command::Serve(arguments) => block_on(serve::serve(arguments.load()?, parts)),
        Command::Migrate(command) => block_on(migrate::migrate(command)),
        Command::Backup(arguments) => block_on(backup::backup(arguments)),
        Command::Restore(arguments) => block_on(backup::restore(arguments)),
        Command::AdminToken(arguments) => block_on(admin_token::admin_token(arguments)),
        Command::RotateKey(arguments) => block_on(rotate_key::rotate_key(arguments)),
        Command::CheckConfig(arguments) => check_config::check_config(arguments),
        Command::Demo(arguments) => block_on(demo::demo(arguments)),
        Command::Sandbox(arguments) => block_on(sandbox::sandbox(arguments)),
        Command::Stores(arguments) => block_on(stores::stores(arguments)),
        Command::Audit(arguments) => block_on(audit::audit(arguments)),
        Command::SafeMode(arguments) => block_on(safe_mode::safe_mode(arguments)),
        Command::Supervision(arguments) => block_on(supervision::supervision(arguments)),
        Command::DeadLetters(arguments) => block_on(dead_letters::dead_letters(arguments)),
    }
}

fn block_on(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    runtime.block_on(work)
}
