//! `storekeeper dead-letters …`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::admin_api::{AdminApi, Listed};
use super::command_line::DeadLettersArgs;
use super::error::CliError;
use super::{print, stores};

const DEAD_LETTER_COLUMNS: &[&str] = &["id", "store", "class", "topic", "at", "reason"];

const GROUP_COLUMNS: &[&str] = &["fingerprint", "count", "stores", "class", "reason"];

#[derive(Debug, Subcommand)]
pub(super) enum DeadLettersCommand {
    /// List dead letters, the newest first.
    List(Filter),
    /// Count those that are alike: of one class, for one reason but for numbers and names.
    Groups(Filter),
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
    /// Only those of this group, as `dead-letters groups` names it.
    #[arg(long)]
    fingerprint: Option<String>,
}

/// Which dead letters: named one by one, or all that a filter matches.
#[derive(Debug, Args)]
pub(super) struct Choice {
    /// Ids, as `dead-letters list` shows them; or none, and a filter.
    ids: Vec<Uuid>,
    #[command(flatten)]
    filter: Filter,
    /// Why, for the record.
    #[arg(long, default_value = "decided in the shell")]
    reason: String,
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
            .chain(self.fingerprint.clone().map(|text| ("fingerprint", text)))
            .collect()
    }
}

pub(super) async fn dead_letters(arguments: DeadLettersArgs) -> Result<(), CliError> {
    let DeadLettersArgs { admin, command } = arguments;
    let as_json = admin.json;
    let api = AdminApi::new(admin.load()?.admin)?;
    match command {
        DeadLettersCommand::List(filter) => list(&api, &filter, as_json).await,
        DeadLettersCommand::Groups(filter) => groups(&api, &filter, as_json).await,
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

async fn groups(api: &AdminApi, filter: &Filter, as_json: bool) -> Result<(), CliError> {
    let query = filter.query();
    let query: Vec<(&str, &str)> = query
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let mut answer = api.get("/v1/admin/dead-letters/groups", &query).await?;
    let whole = answer.get("whole").and_then(Value::as_bool) == Some(true);
    let rows = answer.get_mut("groups").map(Value::take);
    let listed = Listed {
        rows: rows
            .and_then(|rows| serde_json::from_value(rows).ok())
            .unwrap_or_default(),
        cut: !whole,
    };
    stores::print_list(GROUP_COLUMNS, listed, as_json);
    Ok(())
}

async fn settle(
    api: &AdminApi,
    action: &str,
    choice: &Choice,
    as_json: bool,
) -> Result<(), CliError> {
    match (choice.ids.is_empty(), choice.filter.query().is_empty()) {
        (false, true) => settle_named(api, action, choice, as_json).await,
        (true, false) => settle_matching(api, action, choice, as_json).await,
        (true, true) | (false, false) => Err(CliError::Ambiguous(
            "give ids, as `dead-letters list` shows them, or a filter (--store, --class, --fingerprint), but not both".to_owned(),
        )),
    }
}

async fn settle_named(
    api: &AdminApi,
    action: &str,
    choice: &Choice,
    as_json: bool,
) -> Result<(), CliError> {
    let mut answers = Vec::new();
    for id in &choice.ids {
        let path = format!("/v1/admin/dead-letters/{id}/{action}");
        let body = json!({ "reason": choice.reason });
        answers.push(api.post(&path, &body).await?);
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
        ("reason".to_owned(), Value::from(choice.reason.clone())),
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
