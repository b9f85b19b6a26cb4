//! Webhook subscriptions: list, compare, create what lacks. The platform drops those that failed too often.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::domain::call::{Bar, CallError, Meter, READ_POINTS_MAX, Reply};
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
    topic: String,
    uri: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateData {
    webhook_subscription_create: Option<CreatePayload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatePayload {
    #[serde(default, deserialize_with = "errors::entries")]
    user_errors: Vec<RawUserError>,
}

/// Creates the subscriptions that lack. A topic that the platform refuses keeps no other from being created; the first
/// refusal of a needed one is the answer then.
pub(in crate::platform::shopify) async fn ensure(
    session: &mut Session<'_>,
) -> Result<Reply, CallError> {
    let Some(uri) = session.account().callback_uri.clone() else {
        return Err(errors::rejected(
            "NO_CALLBACK_URI",
            "the store has no address for webhooks",
        ));
    };
    let present = list(session, &uri).await?;
    let mut created = 0;
    let mut refused = Vec::new();
    let needed = NEEDED_TOPICS.iter().map(|topic| (*topic, true));
    for (topic, is_needed) in needed.chain(WANTED_TOPICS.iter().map(|topic| (*topic, false))) {
        let name = enum_name(topic);
        if present.contains(&name) {
            continue;
        }
        session.pace(Meter::Graphql).await;
        match create(session, &name, &uri).await? {
            Ok(()) => created += 1,
            Err(error) => refused.push((topic, is_needed, error)),
        }
    }
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

/// The topics that are subscribed to at `uri`, by the schema's names.
async fn list(session: &mut Session<'_>, uri: &str) -> Result<HashSet<String>, CallError> {
    let mut present = HashSet::new();
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
        present.extend(
            nodes
                .into_iter()
                .filter(|node| node.uri.as_deref() == Some(uri))
                .map(|node| node.topic),
        );
        after = page_info
            .filter(|info| info.has_next_page)
            .and_then(|info| info.end_cursor);
        if after.is_none() {
            return Ok(present);
        }
    }
    Err(errors::rejected(
        "TOO_MANY_PAGES",
        "the app has more subscriptions than are listed",
    ))
}

/// The outer error ends the call, the inner one is about this topic only.
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
    let data: CreateData = match session.graphql(CREATE, variables).await {
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
        .webhook_subscription_create
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
