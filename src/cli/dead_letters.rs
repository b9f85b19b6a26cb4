//! `storekeeper dead-letters …`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::admin_api::AdminApi;
use super::command_line::DeadLettersArgs;
use super::error::CliError;
use super::{print, stores};

const DEAD_LETTER_COLUMNS: &[&str] = &["id", "store", "class", "topic", "died_at", "reason"];

#[derive(Debug, Subcommand)]
pub(super) enum DeadLettersCommand {
    /// List dead letters, the newest first.
    List(Filter),
    /// Apply dead letters once more.
    Retry { ids: Vec<Uuid> },
    /// Give dead letters up for good.
    Discard { ids: Vec<Uuid> },
}

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Only this store's.
    #[arg(long, value_name = "ID")]
    store: Option<u64>,
    /// Only of this class.
    #[arg(long)]
    class: Option<String>,
}

pub(super) async fn dead_letters(arguments: DeadLettersArgs) -> Result<(), CliError> {
    let DeadLettersArgs { admin, command } = arguments;
    let as_json = admin.json;
    let api = AdminApi::new(admin.load()?.admin)?;
    match command {
        DeadLettersCommand::List(filter) => list(&api, &filter, as_json).await,
        DeadLettersCommand::Retry { ids } => decide(&api, "retry", &ids, as_json).await,
        DeadLettersCommand::Discard { ids } => decide(&api, "discard", &ids, as_json).await,
    }
}

async fn list(api: &AdminApi, filter: &Filter, as_json: bool) -> Result<(), CliError> {
    let store = filter.store.map(|store| store.to_string());
    let store = store.as_deref().map(|store| ("store", store));
    let class = filter.class.as_deref().map(|class| ("class", class));
    let query: Vec<(&str, &str)> = store.into_iter().chain(class).collect();
    let listed = api.list("/v1/admin/dead-letters", &query).await?;
    stores::print_list(DEAD_LETTER_COLUMNS, listed, as_json);
    Ok(())
}

async fn decide(api: &AdminApi, verb: &str, ids: &[Uuid], as_json: bool) -> Result<(), CliError> {
    if ids.is_empty() {
        return Err(CliError::Ambiguous(
            "name at least one dead letter; `storekeeper dead-letters list` shows them",
        ));
    }
    let mut answers = Vec::new();
    for id in ids {
        let answer = api
            .post(&format!("/v1/admin/dead-letters/{id}/{verb}"), &json!({}))
            .await?;
        if !as_json {
            print::line(&format!("{id}: {verb} done"));
        }
        answers.push(answer);
    }
    if as_json {
        print::json(&Value::Array(answers));
    }
    Ok(())
}
