//! `storekeeper safe-mode …`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::admin_api::AdminApi;
use super::command_line::SafeModeArgs;
use super::error::CliError;
use super::print;

#[derive(Debug, Subcommand)]
pub(super) enum SafeModeCommand {
    /// Tell whether it holds, since when and until when.
    Show,
    /// End it now.
    Off {
        /// Why, for the record.
        #[arg(long, default_value = "decided in the shell")]
        reason: String,
    },
}

pub(super) async fn safe_mode(arguments: SafeModeArgs) -> Result<(), CliError> {
    let SafeModeArgs { admin, command } = arguments;
    let as_json = admin.json;
    let api = AdminApi::new(admin.load()?.admin)?;
    let answer = match command {
        SafeModeCommand::Show => api.get("/v1/admin/safe-mode", &[]).await?,
        SafeModeCommand::Off { reason } => {
            let body = json!({ "reason": reason });
            api.post("/v1/admin/safe-mode/off", &body).await?
        }
    };
    if as_json {
        print::json(&answer);
    } else if answer.get("safe_mode").is_none_or(Value::is_null) {
        print::line("safe mode is off");
    } else {
        print::outline(&answer);
    }
    Ok(())
}
