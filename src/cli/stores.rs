//! `storekeeper stores …`.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::admin_api::{AdminApi, Listed};
use super::command_line::StoresArgs;
use super::error::CliError;
use super::print;

/// How often it is looked how far a count is.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

const STORE_COLUMNS: &[&str] = &["id", "platform", "domain", "name", "status", "installed_at"];

const INBOX_COLUMNS: &[&str] = &[
    "seq",
    "topic",
    "received_at",
    "waits",
    "bytes",
    "delivery_id",
];

#[derive(Debug, Subcommand)]
pub(super) enum StoresCommand {
    /// List all stores.
    List,
    /// Show a store and what its keeper does.
    Show {
        /// The store's id, as `stores list` shows it.
        id: u64,
    },
    /// Tell what a store waits for, and until when.
    Why {
        /// The store's id, as `stores list` shows it.
        id: u64,
    },
    /// List the webhooks that are kept of a store, without what says who somebody is.
    Inbox {
        /// The store's id, as `stores list` shows it.
        id: u64,
    },
    /// Show how much a store may call its platform: the level of each rate limit, what waits for it, and the latest calls.
    Bucket {
        /// The store's id, as `stores list` shows it.
        id: u64,
    },
    /// Call a store's platform no more; webhooks are still accepted and applied.
    Pause(Decision),
    /// Go on where a pause began.
    Resume(Decision),
    /// End a store's keeper after its step and start it again from the database.
    Restart(Decision),
    /// End a store's keeper after its step; work brings it back.
    Deactivate(Decision),
    /// End a store's keeper and leave it alone for a while; webhooks are still accepted.
    Quarantine(Decision),
    /// End a quarantine now.
    Release(Decision),
    /// Show how a store stands, what it may take, and what it takes.
    Standing {
        /// The store's id, as `stores list` shows it.
        id: u64,
    },
    /// Decide how a store stands: `good`, `noisy`, `quarantined` or `suspended`.
    SetStanding(SetStanding),
    /// Sweep the webhooks that concern no bundle out of a store's backlog, once they are counted.
    SweepNaked(SweepNaked),
    /// Put a store on another plan, which decides its daily allowance.
    Plan {
        /// The store's id, as `stores list` shows it.
        id: u64,
        /// The plan's name.
        plan: String,
    },
    /// Register a store.
    Add(AddStore),
}

#[derive(Debug, Args)]
pub(super) struct Decision {
    /// The store's id, as `stores list` shows it.
    id: u64,
    /// Why, for the record.
    #[arg(long, default_value = "decided in the shell")]
    reason: String,
}

#[derive(Debug, Args)]
pub(super) struct SetStanding {
    /// The store's id, as `stores list` shows it.
    id: u64,
    /// How it stands from now on; any but `suspended` ends a suspension.
    #[arg(value_parser = ["good", "noisy", "quarantined", "suspended"])]
    standing: String,
    /// Why, for the record.
    #[arg(long)]
    reason: String,
    /// When a suspension takes effect, such as `2027-01-31T00:00:00Z`; at once when left out.
    #[arg(long, value_name = "INSTANT")]
    effective_at: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct SweepNaked {
    /// The store's id, as `stores list` shows it.
    id: u64,
    /// Only count them.
    #[arg(long)]
    count: bool,
    /// Why, for the record.
    #[arg(long, default_value = "decided in the shell")]
    reason: String,
}

#[derive(Debug, Args)]
pub(super) struct AddStore {
    /// The platform that the store is on.
    #[arg(long, default_value = "shopify")]
    platform: String,
    /// The store's domain on its platform, such as `example.myshopify.com`.
    #[arg(long)]
    domain: String,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    /// Where the store's API is; `https://{domain}` when left out.
    #[arg(long, value_name = "URL")]
    api_base_url: Option<String>,
    /// The platform's access token for this store.
    #[arg(long, value_name = "TOKEN")]
    access_token: String,
    /// A secret that signs this store's webhooks; may be given several times.
    #[arg(long = "webhook-secret", value_name = "SECRET")]
    webhook_secrets: Vec<String>,
    /// The store's plan: its daily allowance, where `[quota]` names it.
    #[arg(long)]
    plan: Option<String>,
}

pub(super) async fn stores(arguments: StoresArgs) -> Result<(), CliError> {
    let StoresArgs { admin, command } = arguments;
    let as_json = admin.json;
    let api = AdminApi::new(admin.load()?.admin)?;
    let answer = match command {
        StoresCommand::List => return list(&api, as_json).await,
        StoresCommand::Inbox { id } => return inbox(&api, id, as_json).await,
        StoresCommand::Show { id } => show(&api, id).await?,
        StoresCommand::Why { id } => api.get(&format!("/v1/admin/keepers/{id}/why"), &[]).await?,
        StoresCommand::Bucket { id } => {
            let path = format!("/v1/admin/keepers/{id}/bucket");
            api.get(&path, &[]).await?
        }
        StoresCommand::Pause(decision) => decide(&api, "pause", &decision).await?,
        StoresCommand::Resume(decision) => decide(&api, "resume", &decision).await?,
        StoresCommand::Restart(decision) => decide(&api, "restart", &decision).await?,
        StoresCommand::Deactivate(decision) => decide(&api, "deactivate", &decision).await?,
        StoresCommand::Quarantine(decision) => decide(&api, "quarantine", &decision).await?,
        StoresCommand::Release(decision) => decide(&api, "release", &decision).await?,
        StoresCommand::Standing { id } => {
            let path = format!("/v1/admin/stores/{id}/standing");
            api.get(&path, &[]).await?
        }
        StoresCommand::SetStanding(decision) => set_standing(&api, decision).await?,
        StoresCommand::SweepNaked(sweep) => sweep_naked(&api, sweep).await?,
        StoresCommand::Plan { id, plan } => {
            let path = format!("/v1/admin/stores/{id}");
            api.patch(&path, &json!({ "plan": plan })).await?
        }
        StoresCommand::Add(store) => api.post("/v1/admin/stores", &registration(store)).await?,
    };
    if as_json {
        print::json(&answer);
    } else {
        print::outline(&answer);
    }
    Ok(())
}

async fn list(api: &AdminApi, as_json: bool) -> Result<(), CliError> {
    let listed = api.list("/v1/admin/stores", &[]).await?;
    print_list(STORE_COLUMNS, listed, as_json);
    Ok(())
}

/// Prints a list, and says on standard error when it is not whole.
pub(super) fn print_list(columns: &[&str], Listed { rows, cut }: Listed, as_json: bool) {
    if cut {
        print::error_line(&format!("only the first {} rows are shown", rows.len()));
    }
    if as_json {
        print::json(&Value::Array(rows));
    } else {
        print::table(columns, &rows);
    }
}

async fn inbox(api: &AdminApi, id: u64, as_json: bool) -> Result<(), CliError> {
    let path = format!("/v1/admin/keepers/{id}/inbox");
    print_list(INBOX_COLUMNS, api.list(&path, &[]).await?, as_json);
    Ok(())
}

async fn show(api: &AdminApi, id: u64) -> Result<Value, CliError> {
    let store = api.get(&format!("/v1/admin/stores/{id}"), &[]).await?;
    let keeper = api.get(&format!("/v1/admin/keepers/{id}"), &[]).await?;
    Ok(json!({ "store": store, "keeper": keeper }))
}

async fn decide(
    api: &AdminApi,
    verb: &str,
    Decision { id, reason }: &Decision,
) -> Result<Value, CliError> {
    api.post(
        &format!("/v1/admin/keepers/{id}/{verb}"),
        &json!({ "reason": reason }),
    )
    .await
}

async fn set_standing(api: &AdminApi, decision: SetStanding) -> Result<Value, CliError> {
    let SetStanding {
        id,
        standing,
        reason,
        effective_at,
    } = decision;
    let body = json!({ "standing": standing, "reason": reason, "effective_at": effective_at });
    api.put(&format!("/v1/admin/stores/{id}/standing"), &body)
        .await
}

/// Counts first, and waits for that; then orders the sweep, which goes on by itself.
async fn sweep_naked(api: &AdminApi, sweep: SweepNaked) -> Result<Value, CliError> {
    let SweepNaked { id, count, reason } = sweep;
    let path = format!("/v1/admin/stores/{id}/naked-sweep");
    let body = |dry_run: bool| json!({ "dry_run": dry_run, "reason": reason });
    let mut counted = api.post(&path, &body(true)).await?;
    while counted.pointer("/count/state").and_then(Value::as_str) == Some("running") {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        counted = api.get(&path, &[]).await?;
    }
    if count {
        return Ok(counted);
    }
    let number = |name: &str| counted.pointer(name).and_then(Value::as_i64).unwrap_or(0);
    let (naked, looked) = (number("/count/naked"), number("/count/looked"));
    print::error_line(&format!("{naked} of {looked} webhooks concern no bundle"));
    api.post(&path, &body(false)).await
}

fn registration(store: AddStore) -> Value {
    let api_base_url = store
        .api_base_url
        .unwrap_or_else(|| format!("https://{}", store.domain));
    let optional = [("name", store.name), ("plan", store.plan)];
    let mut body = Map::from_iter([
        ("platform".to_owned(), Value::from(store.platform)),
        ("domain".to_owned(), Value::from(store.domain)),
        ("api_base_url".to_owned(), Value::from(api_base_url)),
        ("access_token".to_owned(), Value::from(store.access_token)),
        (
            "webhook_secrets".to_owned(),
            Value::from(store.webhook_secrets),
        ),
    ]);
    body.extend(
        optional
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), Value::from(value?)))),
    );
    Value::Object(body)
}
