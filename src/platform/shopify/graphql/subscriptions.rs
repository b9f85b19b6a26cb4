//! Webhook subscriptions: list, compare, create what lacks. The platform drops those that failed too often.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::domain::call::{CallError, Meter, Reply};
use crate::platform::shopify::bodies::NEEDED_TOPICS;
use crate::platform::shopify::errors::{self, RawUserError, classify_user_errors};
use crate::platform::shopify::transport::Session;

/// Points of the first page; what follows is paced.
pub(in crate::platform::shopify) const COST: i64 = 105;
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
    #[serde(default)]
    user_errors: Vec<RawUserError>,
}

/// Creates the subscriptions that lack. Topics that the platform refuses do not keep the others from being created;
/// the first refusal is the answer then.
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
    let mut refusal = None;
    for topic in NEEDED_TOPICS
        .map(enum_name)
        .into_iter()
        .filter(|topic| !present.contains(topic))
    {
        session.pace(Meter::Graphql).await;
        match create(session, &topic, &uri).await {
            Ok(()) => created += 1,
            Err(error @ CallError::Rejected { .. }) => {
                tracing::warn!(topic, ?error, "platform refused a webhook subscription");
                refusal = refusal.or(Some(error));
            }
            Err(
                error @ (CallError::Throttled { .. }
                | CallError::Unavailable { .. }
                | CallError::Ambiguous { .. }
                | CallError::Busy
                | CallError::Barred(_)),
            ) => return Err(error),
        }
    }
    refusal.map_or(Ok(Reply::Subscriptions { created }), Err)
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

async fn create(session: &mut Session<'_>, topic: &str, uri: &str) -> Result<(), CallError> {
    let webhook_subscription = SubscriptionInput {
        uri,
        format: "JSON",
    };
    let data: CreateData = session
        .graphql(
            CREATE,
            CreateVariables {
                topic,
                webhook_subscription,
            },
        )
        .await?;
    let payload = data
        .webhook_subscription_create
        .ok_or_else(|| session.lost("reply without a payload"))?;
    // Somebody else created it since it was listed.
    if payload
        .user_errors
        .iter()
        .any(|error| error.message().contains("already been taken"))
    {
        return Ok(());
    }
    classify_user_errors(&payload.user_errors)
}

/// `orders/create` is `ORDERS_CREATE` in the schema.
fn enum_name(topic: &str) -> String {
    topic.replace('/', "_").to_ascii_uppercase()
}
