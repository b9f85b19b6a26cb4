//! `storekeeper supervision`.

use serde_json::Value;

use super::admin_api::AdminApi;
use super::command_line::SupervisionArgs;
use super::error::CliError;
use super::print;

/// What is told, each part under its heading and with its columns.
const PARTS: [(&str, &str, &[&str]); 5] = [
    (
        "arbiters",
        "threads of keepers",
        &[
            "arbiter",
            "keepers",
            "running",
            "restarting",
            "quarantined",
            "stuck",
            "restarts",
            "busy_ms",
            "load_per_mille",
        ],
    ),
    (
        "in_hand",
        "in hand now",
        &["store", "arbiter", "doing", "age_ms", "stuck"],
    ),
    (
        "shares",
        "who takes how much",
        &["store", "standing", "turns", "busy_ms", "share_per_mille"],
    ),
    ("crashed", "crashed", &["store", "restarts", "last_error"]),
    ("events", "of late", &["at", "store", "step", "detail"]),
];

pub(super) async fn supervision(arguments: SupervisionArgs) -> Result<(), CliError> {
    let SupervisionArgs { admin } = arguments;
    let as_json = admin.json;
    let api = AdminApi::new(admin.load()?.admin)?;
    let tree = api.get("/v1/admin/supervision", &[]).await?;
    if as_json {
        print::json(&tree);
        return Ok(());
    }
    for (part, heading, columns) in PARTS {
        let rows = tree.get(part).and_then(Value::as_array);
        let rows = rows.map(Vec::as_slice).unwrap_or_default();
        if !rows.is_empty() {
            print::line(&format!("{heading}:"));
            print::table(columns, rows);
        }
    }
    let silent = tree.get("arbiters_silent").and_then(Value::as_u64);
    if let Some(silent) = silent.filter(|silent| *silent > 0) {
        print::line(&format!("threads that do not answer: {silent}"));
    }
    if let Some(fairness) = tree.get("fairness_per_mille").and_then(Value::as_u64) {
        print::line(&format!("fairness (Jain): {fairness} of 1000"));
    }
    Ok(())
}
