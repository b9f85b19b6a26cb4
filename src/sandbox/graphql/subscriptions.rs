//! Making, changing and deleting webhook subscriptions.

use serde_json::{Value, json};

use super::{
    error::UserError,
    node::{Found, Node, payload},
    picks::Pick,
};
use crate::sandbox::{
    gate::Call,
    ids::{gid, parse_gid},
    shop::Shop,
    subscriptions::{Subscription, SubscriptionRefusal, Wanted, slash_topic},
};

pub(super) fn create(shop: &mut Shop, call: &Call, pick: &Pick) -> Node {
    let wanted = wanted(call, pick, None);
    let made = shop.subscribe(call.action, wanted, call.http_addresses);
    shown("WebhookSubscriptionCreatePayload", made)
}

pub(super) fn update(shop: &mut Shop, call: &Call, pick: &Pick) -> Node {
    let id = id_of(pick);
    let old = shop.subscriptions.get(&id).cloned();
    let wanted = wanted(call, pick, old.as_ref());
    let changed = shop.resubscribe(call.action, id, wanted, call.http_addresses);
    shown("WebhookSubscriptionUpdatePayload", changed.map(|()| id))
}

pub(super) fn delete(shop: &mut Shop, pick: &Pick) -> Node {
    let id = id_of(pick);
    let gone = shop.subscriptions.remove(&id);
    let errors = match gone {
        Some(_) => Vec::new(),
        None => vec![user_error(SubscriptionRefusal::Unknown)],
    };
    let deleted = gone.map(|found| gid("WebhookSubscription", found.id));
    let scalars = json!({ "deletedWebhookSubscriptionId": deleted });
    let type_name = "WebhookSubscriptionDeletePayload";
    payload(type_name, scalars, Vec::new(), &errors)
}

fn id_of(pick: &Pick) -> i64 {
    let id = pick.text("id");
    id.and_then(|text| parse_gid("WebhookSubscription", text))
        .unwrap_or_default()
}

fn wanted(call: &Call, pick: &Pick, old: Option<&Subscription>) -> Wanted {
    let input = pick.arguments.get("webhookSubscription");
    let text = |name: &str| {
        let found = input.and_then(|input| input.get(name));
        found.and_then(Value::as_str).map(str::to_owned)
    };
    let fields = input.and_then(|input| input.get("includeFields"));
    let fields = fields.and_then(Value::as_array).map(|list| {
        let names = list.iter().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    });
    let topic = pick.text("topic").map(slash_topic);
    Wanted {
        topic: topic
            .or_else(|| old.map(|old| old.topic.clone()))
            .unwrap_or_default(),
        address: text("uri")
            .or_else(|| text("callbackUrl"))
            .or_else(|| old.map(|old| old.address.clone()))
            .unwrap_or_default(),
        format: text("format").map_or_else(|| "json".to_owned(), |format| format.to_lowercase()),
        fields: fields
            .or_else(|| old.map(|old| old.fields.clone()))
            .unwrap_or_default(),
        filter: text("filter").unwrap_or_default(),
        name: text("name"),
        api_version: call.version.to_owned(),
        app_config: false,
    }
}

fn shown(type_name: &'static str, outcome: Result<i64, SubscriptionRefusal>) -> Node {
    let (node, errors) = match outcome {
        Ok(id) => (Some(Node::Subscription(id)), Vec::new()),
        Err(refusal) => (None, vec![user_error(refusal)]),
    };
    let links = vec![("webhookSubscription", Found::One(node))];
    payload(type_name, json!({}), links, &errors)
}

fn user_error(refusal: SubscriptionRefusal) -> UserError {
    UserError {
        code: None,
        field: refusal.field(),
        message: refusal.text().to_owned(),
    }
}
