//! `storekeeper check-config`.

use super::command_line::CheckConfigArgs;
use super::error::CliError;
use super::print;
use crate::config;

pub(super) fn check_config(arguments: CheckConfigArgs) -> Result<(), CliError> {
    if arguments.example {
        print::line(config::example().trim_end());
    } else {
        print::line(config::effective(&arguments.server.load()?).trim_end());
    }
    Ok(())
}
