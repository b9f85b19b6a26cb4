//! Webhook subscriptions over REST.

use serde_json::{Value, json};

use super::{
    paging,
    route::{self, Answered, body},
};
use crate::sandbox::{
    gate::{Call, Reply},
    shop::{Refused, Shop},
    subscriptions::{Subscription, SubscriptionRefusal, Wanted, slash_topic},
};

pub(super) fn list(shop: &Shop, call: &mut Call) -> Answered {
    let place = paging::resume(call)?;
    let rows: Vec<(paging::Key, &Subscription)> = matching(shop, call)
        .map(|found| ((found.id, 0), found))
        .collect();
    paging::page(call, place, "webhooks", &rows, |found| show(found))
}

pub(super) fn count(shop: &Shop, call: &Call) -> Reply {
    route::count(matching(shop, call).count())
}

fn matching<'a>(shop: &'a Shop, call: &'a Call) -> impl Iterator<Item = &'a Subscription> {
    let asked = |name: &str| call.query.get(name).cloned();
    let (topic, address) = (asked("topic"), asked("address"));
    let since_id: Option<i64> = asked("since_id").and_then(|text| text.parse().ok());
    let api_made = shop
        .subscriptions
        .values()
        .filter(|found| !found.app_config);
    api_made
        .filter(move |found| topic.as_ref().is_none_or(|topic| found.topic == *topic))
        .filter(move |found| {
            let address = address.as_ref();
            address.is_none_or(|address| found.address == *address)
        })
        .filter(move |found| since_id.is_none_or(|since| found.id > since))
}

pub(super) fn create(shop: &mut Shop, call: &Call) -> Answered {
    let body = body(call)?;
    let wanted = wanted(call, body.get("webhook").unwrap_or(&body), None);
    let made = shop.subscribe(call.action, wanted, call.http_addresses);
    let id = made.map_err(refused)?;
    Ok(Reply {
        status: 201,
        ..one(shop, id)?
    })
}

pub(super) fn one(shop: &Shop, id: i64) -> Answered {
    let found = shop.subscriptions.get(&id).ok_or_else(Refused::not_found)?;
    Ok(Reply::ok(json!({ "webhook": show(found) })))
}

pub(super) fn change(shop: &mut Shop, call: &Call, id: i64) -> Answered {
    let body = body(call)?;
    let old = shop.subscriptions.get(&id).ok_or_else(Refused::not_found)?;
    let wanted = wanted(call, body.get("webhook").unwrap_or(&body), Some(old));
    let changed = shop.resubscribe(call.action, id, wanted, call.http_addresses);
    changed.map_err(refused)?;
    one(shop, id)
}

pub(super) fn delete(shop: &mut Shop, id: i64) -> Answered {
    shop.subscriptions
        .remove(&id)
        .ok_or_else(Refused::not_found)?;
    Ok(Reply::ok(json!({})))
}

fn wanted(call: &Call, body: &Value, old: Option<&Subscription>) -> Wanted {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let topic = text("topic").map(|topic| slash_topic(&topic));
    let fields = body.get("fields").and_then(Value::as_array);
    let fields = fields.map(|list| {
        let names = list.iter().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    });
    let kept = |read: fn(&Subscription) -> &String| old.map(read).cloned();
    Wanted {
        topic: topic.or_else(|| kept(|old| &old.topic)).unwrap_or_default(),
        address: text("address")
            .or_else(|| kept(|old| &old.address))
            .unwrap_or_default(),
        format: text("format").unwrap_or_else(|| "json".to_owned()),
        fields: fields
            .or_else(|| old.map(|old| old.fields.clone()))
            .unwrap_or_default(),
        filter: text("filter").unwrap_or_default(),
        name: text("name"),
        api_version: call.version.to_owned(),
        app_config: false,
    }
}

fn show(found: &Subscription) -> Value {
    json!({
        "id": found.id,
        "address": found.address,
        "topic": found.topic,
        "created_at": found.created_at.local(),
        "updated_at": found.updated_at.local(),
        "format": found.format,
        "fields": found.fields,
        "metafield_namespaces": [],
        "api_version": found.api_version,
        "private_metafield_namespaces": [],
    })
}

fn refused(refusal: SubscriptionRefusal) -> Refused {
    Refused::field(refusal.rest_field(), refusal.text())
}
