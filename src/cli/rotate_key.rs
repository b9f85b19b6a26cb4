//! `storekeeper rotate-key`.

use std::path::PathBuf;

use clap::Args;

use super::command_line::DatabaseArgs;
use super::error::CliError;
use super::print;
use crate::app;

#[derive(Debug, Args)]
pub(super) struct RotateKeyArgs {
    /// File with the new key, 64 hexadecimal digits, that only its owner may read. Without it the setting
    /// `secrets.new_key` is taken, and without that a key is made
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) async fn rotate_key(
    RotateKeyArgs {
        new_key_file,
        database,
    }: RotateKeyArgs,
) -> Result<(), CliError> {
    let config = database.load()?;
    let rotated = app::rotate_key(&config, new_key_file.as_deref()).await?;
    print::line(&format!(
        "all secrets are sealed under key {} now, none under {} any more",
        rotated.to, rotated.from
    ));
    if rotated.is_setting {
        print::line(
            "set secrets.key to the new key before a server starts: it refuses the old one",
        );
        print::line("backups made before now are restored with the old key only");
    } else {
        print::line("it is in secrets.key of the data directory");
        print::line(&format!(
            "the old one is in secrets.key.{} beside it: backups made before now are restored with it only; \
             delete it when none of them is left",
            rotated.from
        ));
    }
    Ok(())
}
