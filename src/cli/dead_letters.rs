//! `storekeeper dead-letters …`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::admin_api::{AdminApi, Listed};
use super::command_line::DeadLettersArgs;
use super::error::CliError;
use super::{print, stores};

const DEAD_LETTER_COLUMNS: &[&str] = &["id", "store", "class", "topic", "at", "reason"];

/// What is written down of who gives no reason.
const NO_REASON: &str = "decided in the shell";

const GROUP_COLUMNS: &[&str] = &["fingerprint", "count", "stores", "class", "reason"];

#[derive(Debug, Subcommand)]
pub(super) enum DeadLettersCommand {
    /// List dead letters, the newest first.
    List(Filter),
    /// Count those that are alike: of one class, for one reason but for numbers and names.
    Groups(Filter),
    /// Show a dead letter and its webhook, without what says who somebody is.
    Show {
        /// Its id, as `dead-letters list` shows it.
        id: Uuid,
    },
    /// Print the whole body of a dead letter's webhook, to be edited; that it was read is written to the audit.
    Body {
        /// Its id, as `dead-letters list` shows it.
        id: Uuid,
    },
    /// Apply dead letters once more, as they are; or one of them with another body.
    Retry(Retry),
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
    /// Why, for the record; "decided in the shell" when left out.
    #[arg(long)]
    reason: Option<String>,
    /// Decide about all that the filter matches; without it they are only counted.
    #[arg(long, conflicts_with = "ids")]
    yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct Retry {
    #[command(flatten)]
    choice: Choice,
    /// The body that the dead letter's webhook is to have instead, JSON; takes one id, and a reason.
    #[arg(long, value_name = "FILE", conflicts_with = "yes")]
    body_file: Option<PathBuf>,
    /// SHA-256 of the body that the file was made of: refused when the dead letter has another by now.
    #[arg(long, value_name = "SHA256", requires = "body_file")]
    replaces: Option<String>,
}

impl Choice {
    fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or(NO_REASON)
    }
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
        DeadLettersCommand::Show { id } => show(&api, id, as_json).await,
        DeadLettersCommand::Body { id } => body(&api, id, as_json).await,
        DeadLettersCommand::Retry(retry) => match &retry.body_file {
            None => settle(&api, "retry", &retry.choice, as_json).await,
            Some(file) => retry_edited(&api, &retry, file).await,
        },
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

async fn show(api: &AdminApi, id: Uuid, as_json: bool) -> Result<(), CliError> {
    let shown = api
        .get(&format!("/v1/admin/dead-letters/{id}"), &[])
        .await?;
    if as_json {
        print::json(&shown);
    } else {
        print::outline(&shown);
    }
    Ok(())
}

/// Exactly the body, so that what is redirected to a file has its digest.
async fn body(api: &AdminApi, id: Uuid, as_json: bool) -> Result<(), CliError> {
    let whole = api
        .get(&format!("/v1/admin/dead-letters/{id}/body"), &[])
        .await?;
    if as_json {
        print::json(&whole);
        return Ok(());
    }
    match whole.get("body").and_then(Value::as_str) {
        Some(text) => {
            print::exactly(text);
            Ok(())
        }
        None => Err(CliError::Ambiguous(
            "the body is not text, so it cannot be shown; a retry can replace it all the same"
                .to_owned(),
        )),
    }
}

async fn retry_edited(api: &AdminApi, retry: &Retry, file: &Path) -> Result<(), CliError> {
    let choice = &retry.choice;
    let ([id], true, Some(reason)) = (
        choice.ids.as_slice(),
        choice.filter.query().is_empty(),
        choice.reason.as_deref(),
    ) else {
        return Err(CliError::Ambiguous(
            "an edit is of one dead letter and takes a reason: give one id, --body-file and --reason".to_owned(),
        ));
    };
    let text = std::fs::read_to_string(file).map_err(|error| CliError::File {
        path: file.display().to_string(),
        reason: error.to_string(),
    })?;
    let body = json!({ "reason": reason, "body": text, "replaces": retry.replaces });
    let path = format!("/v1/admin/dead-letters/{id}/retry");
    api.post(&path, &body).await?;
    print::line(&format!("{id}: retry with another body done"));
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
        let body = json!({ "reason": choice.reason() });
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
        ("reason".to_owned(), Value::from(choice.reason())),
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
