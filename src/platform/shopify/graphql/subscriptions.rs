//! Webhook subscriptions: list, compare, create what lacks. The platform drops those that failed too often.
//!
//! What is subscribed at another address of this server, as stores were before they had one of their own, moves.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::domain::call::{Bar, CallError, Meter, READ_POINTS_MAX, Reply};
use crate::platform::Callback;
use crate::platform::shopify::bodies::{NEEDED_TOPICS, WANTED_TOPICS};
use crate::platform::shopify::errors::{self, RawUserError, classify_user_errors};
use crate::platform::shopify::transport::Session;

/// Points of the first page; what follows is paced.
const COST: i64 = 105;
const _: () = assert!(COST <= READ_POINTS_MAX);
/// Pages of 100 that are listed.
const PAGES_MAX: usize = 10;

const LIST: &str = "query webhookSubscriptions($after: String) { webhookSubscriptions(first: 100, after: $after) { \
    nodes { id topic uri } pageInfo { hasNextPage endCursor } } }";

const CREATE: &str = "mutation webhookSubscriptionCreate($topic: WebhookSubscriptionTopic!, \
    $webhookSubscription: WebhookSubscriptionInput!) { \
    webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhookSubscription) { \
    webhookSubscription { id } userErrors { field message } } }";

const UPDATE: &str = "mutation webhookSubscriptionUpdate($id: ID!, $webhookSubscription: WebhookSubscriptionInput!) { \
    webhookSubscriptionUpdate(id: $id, webhookSubscription: $webhookSubscription) { \
    webhookSubscription { id } userErrors { field message } } }";

const DELETE: &str = "mutation webhookSubscriptionDelete($id: ID!) { webhookSubscriptionDelete(id: $id) { \
    deletedWebhookSubscriptionId userErrors { field message } } }";

#[derive(Serialize)]
struct ListVariables<'call> {
    after: Option<&'call str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreateVariables<'call> {
    topic: &'call str,
    webhook_subscription: SubscriptionInput<'call>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UpdateVariables<'call> {
    id: &'call str,
    webhook_subscription: SubscriptionInput<'call>,
}

#[derive(Serialize)]
struct DeleteVariables<'call> {
    id: &'call str,
}

#[derive(Serialize)]
struct SubscriptionInput<'call> {
    uri: &'call str,
    format: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListData {
    webhook_subscriptions: Subscriptions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscriptions {
    nodes: Vec<SubscriptionNode>,
    page_info: Option<PageInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
struct SubscriptionNode {
    id: String,
    topic: String,
    uri: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangeData {
    /// Of whichever change was asked for.
    #[serde(
        alias = "webhookSubscriptionCreate",
        alias = "webhookSubscriptionUpdate",
        alias = "webhookSubscriptionDelete"
    )]
    payload: Option<ChangePayload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangePayload {
    #[serde(default, deserialize_with = "errors::entries")]
    user_errors: Vec<RawUserError>,
}

/// What is subscribed already.
#[derive(Default)]
struct Listed {
    /// Topics, by the schema's names, that go where they are to go.
    present: HashSet<String>,
    /// Ids of what goes to another address of this server, by topic.
    superseded: HashMap<String, Vec<String>>,
}

impl Listed {
    fn note(&mut self, node: SubscriptionNode, callback: &Callback) {
        let uri = node.uri.unwrap_or_default();
        if uri == callback.uri() {
            self.present.insert(node.topic);
        } else if callback.is_superseded(&uri) {
            self.superseded.entry(node.topic).or_default().push(node.id);
        }
    }
}

/// Creates the subscriptions that lack, and moves those that go to another address of this server. A topic that the
/// platform refuses keeps no other from being created; the first refusal of a needed one is the answer then.
pub(in crate::platform::shopify) async fn ensure(
    session: &mut Session<'_>,
) -> Result<Reply, CallError> {
    let Some(callback) = session.account().callback.clone() else {
        return Err(errors::rejected(
            "NO_CALLBACK_URI",
            "the store has no address for webhooks",
        ));
    };
    let mut listed = list(session, &callback).await?;
    let uri = callback.uri();
    let mut created = 0;
    let mut refused = Vec::new();
    let needed = NEEDED_TOPICS.iter().map(|topic| (*topic, true));
    for (topic, is_needed) in needed.chain(WANTED_TOPICS.iter().map(|topic| (*topic, false))) {
        let name = enum_name(topic);
        if listed.present.contains(&name) {
            continue;
        }
        session.pace(Meter::Graphql).await;
        let moved = listed.superseded.get_mut(&name).and_then(Vec::pop);
        let made = match &moved {
            Some(id) => update(session, id, &uri).await?,
            None => create(session, &name, &uri).await?,
        };
        match made {
            Ok(()) => created += u32::from(moved.is_none()),
            Err(error) => refused.push((topic, is_needed, error)),
        }
    }
    remove(session, listed.superseded.into_values().flatten()).await?;
    report(session, &refused);
    let needed = refused.into_iter().find(|(_, is_needed, _)| *is_needed);
    needed.map_or(Ok(Reply::Subscriptions { created }), |(_, _, error)| {
        Err(error)
    })
}

/// One line for all of them: they are usually refused for the same reason.
fn report(session: &Session<'_>, refused: &[(&str, bool, CallError)]) {
    if let Some((_, _, error)) = refused.first() {
        let topics = refused
            .iter()
            .map(|(topic, _, _)| *topic)
            .collect::<Vec<_>>();
        let store = session.account().store;
        tracing::warn!(%store, ?topics, ?error, "platform refused webhook subscriptions");
    }
}

async fn list(session: &mut Session<'_>, callback: &Callback) -> Result<Listed, CallError> {
    let mut listed = Listed::default();
    let mut after: Option<String> = None;
    for page in 0..PAGES_MAX {
        if page > 0 {
            session.pace(Meter::Graphql).await;
        }
        let data: ListData = session
            .graphql(
                LIST,
                ListVariables {
                    after: after.as_deref(),
                },
            )
            .await?;
        let Subscriptions { nodes, page_info } = data.webhook_subscriptions;
        for node in nodes {
            listed.note(node, callback);
        }
        after = page_info
            .filter(|info| info.has_next_page)
            .and_then(|info| info.end_cursor);
        if after.is_none() {
            return Ok(listed);
        }
    }
    Err(errors::rejected(
        "TOO_MANY_PAGES",
        "the app has more subscriptions than are listed",
    ))
}

async fn create(
    session: &mut Session<'_>,
    topic: &str,
    uri: &str,
) -> Result<Result<(), CallError>, CallError> {
    let webhook_subscription = SubscriptionInput {
        uri,
        format: "JSON",
    };
    let variables = CreateVariables {
        topic,
        webhook_subscription,
    };
    change(session, CREATE, variables).await
}

async fn update(
    session: &mut Session<'_>,
    id: &str,
    uri: &str,
) -> Result<Result<(), CallError>, CallError> {
    let webhook_subscription = SubscriptionInput {
        uri,
        format: "JSON",
    };
    let variables = UpdateVariables {
        id,
        webhook_subscription,
    };
    change(session, UPDATE, variables).await
}

/// Ends what would tell of everything twice. One that cannot be ended is met again by the next sweep.
async fn remove(
    session: &mut Session<'_>,
    ids: impl Iterator<Item = String>,
) -> Result<(), CallError> {
    for id in ids {
        session.pace(Meter::Graphql).await;
        if let Err(error) = change(session, DELETE, DeleteVariables { id: &id }).await? {
            let store = session.account().store;
            tracing::warn!(%store, ?error, "platform kept a webhook subscription that is not wanted");
        }
    }
    Ok(())
}

/// The outer error ends the call, the inner one is about this subscription only.
async fn change(
    session: &mut Session<'_>,
    document: &str,
    variables: impl Serialize,
) -> Result<Result<(), CallError>, CallError> {
    let data: ChangeData = match session.graphql(document, variables).await {
        // The schema of an older version may not know the topic, or the token may lack the scope for it alone: neither
        // says anything about the shop.
        Err(CallError::Rejected { errors }) => return Ok(Err(CallError::Rejected { errors })),
        Err(CallError::Barred(Bar::ScopeMissing)) => {
            return Ok(Err(errors::rejected(
                "ACCESS_DENIED",
                "the token lacks the scope of this topic",
            )));
        }
        Err(CallError::Unavailable { reason }) => {
            return Ok(Err(errors::rejected("REFUSED", &reason)));
        }
        other => other?,
    };
    let payload = data
        .payload
        .ok_or_else(|| session.lost("reply without a payload"))?;
    // Somebody else created it since it was listed.
    if payload
        .user_errors
        .iter()
        .any(|error| error.message().contains("already been taken"))
    {
        return Ok(Ok(()));
    }
    Ok(classify_user_errors(&payload.user_errors))
}

/// `orders/create` is `ORDERS_CREATE` in the schema.
fn enum_name(topic: &str) -> String {
    topic.replace('/', "_").to_ascii_uppercase()
}
