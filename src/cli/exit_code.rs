//! What the program's exit code says.

use super::error::CliError;
use crate::app::AppError;

/// All went well.
pub(super) const SUCCESS: u8 = 0;
/// It did not; the last line on standard error says why.
pub(super) const FAILURE: u8 = 1;
/// The command line cannot be understood, as shells expect it.
pub(super) const USAGE: u8 = 2;
/// A thread of the keepers stood still, and the server ended itself to be started again (`EX_SOFTWARE`).
pub(super) const SILENT: u8 = 70;

/// The exit code of a command that failed.
pub(super) const fn of(error: &CliError) -> u8 {
    match error {
        CliError::App(AppError::KeepersSilent(_)) => SILENT,
        CliError::App(_)
        | CliError::Config(_)
        | CliError::Db(_)
        | CliError::Lock(_)
        | CliError::Backup(_)
        | CliError::Sandbox(_)
        | CliError::Runtime(_)
        | CliError::File { .. }
        | CliError::NoToken
        | CliError::Unreachable { .. }
        | CliError::Refused(_)
        | CliError::Demo { .. }
        | CliError::Ambiguous(_) => FAILURE,
    }
}
