//! `storekeeper dead-letters …`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::admin_api::AdminApi;
use super::command_line::DeadLettersArgs;
use super::error::CliError;
use super::{print, stores};

const DEAD_LETTER_COLUMNS: &[&str] = &["id", "store", "class", "topic", "at", "reason"];

#[derive(Debug, Subcommand)]
pub(super) enum DeadLettersCommand {
    /// List dead letters, the newest first.
    List(Filter),
    /// Apply dead letters once more.
    Retry(Choice),
    /// Give dead letters up for good.
    Discard(Choice),
}

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Only this store's.
    #[arg(long, value_name = "ID")]
    store: Option<u64>,
    /// Only of this class: `malformed`, `entity_missing`, `poison`, `rejected` or `ambiguous`.
    #[arg(long)]
    class: Option<String>,
}

/// Which dead letters: named one by one, or all that a filter matches.
#[derive(Debug, Args)]
pub(super) struct Choice {
    /// Ids, as `dead-letters list` shows them; or none, and a filter.
    ids: Vec<Uuid>,
    #[command(flatten)]
    filter: Filter,
    /// Decide about all that the filter matches; without it they are only counted.
    #[arg(long, conflicts_with = "ids")]
    yes: bool,
}

impl Filter {
    fn query(&self) -> Vec<(&'static str, String)> {
        let store = self.store.map(|store| ("store", store.to_string()));
        store
            .into_iter()
            .chain(self.class.clone().map(|class| ("class", class)))
            .collect()
    }
}

pub(super) async fn dead_letters(arguments: DeadLettersArgs) -> Result<(), CliError> {
    let DeadLettersArgs { admin, command } = arguments;
    let as_json = admin.json;
    let api = AdminApi::new(admin.load()?.admin)?;
    match command {
        DeadLettersCommand::List(filter) => list(&api, &filter, as_json).await,
        DeadLettersCommand::Retry(choice) => settle(&api, "retry", &choice, as_json).await,
        DeadLettersCommand::Discard(choice) => settle(&api, "discard", &choice, as_json).await,
    }
}

async fn list(api: &AdminApi, filter: &Filter, as_json: bool) -> Result<(), CliError> {
    let query = filter.query();
    let query: Vec<(&str, &str)> = query
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let listed = api.list("/v1/admin/dead-letters", &query).await?;
    stores::print_list(DEAD_LETTER_COLUMNS, listed, as_json);
    Ok(())
}

async fn settle(
    api: &AdminApi,
    action: &str,
    choice: &Choice,
    as_json: bool,
) -> Result<(), CliError> {
    match (choice.ids.is_empty(), choice.filter.query().is_empty()) {
        (false, true) => settle_named(api, action, &choice.ids, as_json).await,
        (true, false) => settle_matching(api, action, choice, as_json).await,
        (true, true) | (false, false) => Err(CliError::Ambiguous(
            "give ids, as `dead-letters list` shows them, or a filter (--store, --class), but not both".to_owned(),
        )),
    }
}

async fn settle_named(
    api: &AdminApi,
    action: &str,
    ids: &[Uuid],
    as_json: bool,
) -> Result<(), CliError> {
    let mut answers = Vec::new();
    for id in ids {
        let path = format!("/v1/admin/dead-letters/{id}/{action}");
        answers.push(api.post(&path, &json!({})).await?);
        if !as_json {
            print::line(&format!("{id}: {action} done"));
        }
    }
    if as_json {
        print::json(&Value::Array(answers));
    }
    Ok(())
}

/// Counts first. The server refuses when the number has changed meanwhile.
async fn settle_matching(
    api: &AdminApi,
    action: &str,
    choice: &Choice,
    as_json: bool,
) -> Result<(), CliError> {
    let filter = choice.filter.query();
    let query: Vec<(&str, &str)> = filter
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let counted = api.get("/v1/admin/dead-letters/count", &query).await?;
    let count = counted.get("count").and_then(Value::as_u64).unwrap_or(0);
    if !choice.yes {
        let text = format!("{count} dead letters match; add --yes to {action} them");
        return Err(CliError::Ambiguous(text));
    }
    let mut body = Map::from_iter([
        ("action".to_owned(), Value::from(action)),
        ("expected".to_owned(), Value::from(count)),
    ]);
    body.extend(
        filter
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Value::from(value))),
    );
    let answer = api
        .post("/v1/admin/dead-letters/bulk", &Value::Object(body))
        .await?;
    if as_json {
        print::json(&answer);
    } else {
        print::outline(&answer);
    }
    Ok(())
}
