//! What must hold once the weather has cleared and everything has come to rest.

use std::collections::BTreeMap;

use storekeeper::clock::Timestamp;
use storekeeper::domain::store::change::{DeadLetterClass, DeadLetterRecord};
use storekeeper::ids::LocationId;

use crate::reference::{Place, Version};
use crate::rules::Rule;
use crate::run::{Run, Site};
use crate::shop::Shop;
use crate::tables::InboxRow;

impl Run {
    /// Judges every store. `quiet_from`: nothing was to be written any more since then.
    /// `asked_at`: a last sweep was asked for then.
    pub(crate) fn judge(&mut self, quiet_from: Timestamp, asked_at: Timestamp) {
        for index in 0..self.sites.len() {
            let now = self.now;
            self.site(index).shop.live_until(now);
            let site = self.site(index);
            let store = site.store;
            let complaint = unapplied(site)
                .or_else(|| unjust_letter(site))
                .or_else(|| restless(site, quiet_from, asked_at))
                .or_else(|| wrong_level(site));
            if let Some((rule, detail)) = complaint {
                self.fail(rule, || format!("store {store}: {detail}"));
            }
        }
    }
}

fn unapplied(site: &Site) -> Option<(Rule, String)> {
    let mut accepted = site.ghost.accepted.keys();
    let cursor = site.tables.keeper.cursor;
    let lost = accepted.find(|seq| **seq <= cursor && !site.ghost.taken.contains(seq))?;
    Some((
        Rule::AppliedOnce,
        format!("row {lost} was accepted and passed over"),
    ))
}

fn restless(site: &Site, quiet_from: Timestamp, asked_at: Timestamp) -> Option<(Rule, String)> {
    let tables = &site.tables;
    let is_swept = !site.plan.unswept && site.shop.reference.current().next().is_some();
    let complaints = [
        (
            tables.keeper.cursor != tables.head,
            format!("cursor {}, head {}", tables.keeper.cursor, tables.head),
        ),
        (
            !tables.parked.is_empty(),
            format!("parked: {:?}", tables.parked),
        ),
        (
            !tables.calls.is_empty(),
            format!("unanswered: {:?}", tables.calls),
        ),
        (
            tables.keeper.memo.paused.is_some(),
            format!("paused: {:?}", tables.keeper.memo.paused),
        ),
        (
            is_swept && tables.keeper.memo.sweep.finished_at < Some(asked_at),
            "the sweep that was asked for never ended".to_owned(),
        ),
        (
            site.merchant.unanswered() > 0,
            "a request was never answered".to_owned(),
        ),
        (
            site.ghost.last_effect_at >= quiet_from,
            "still writing to the platform".to_owned(),
        ),
    ];
    let found = complaints.into_iter().find(|(holds, _)| *holds);
    found.map(|(_, complaint)| (Rule::ComesToRest, complaint))
}

fn unjust_letter(site: &Site) -> Option<(Rule, String)> {
    let mut letters = site.tables.dead.values();
    let (letter, _) = letters.find(|(letter, row)| !is_just(&site.shop, letter, row.as_ref()))?;
    Some((Rule::DeadForAReason, format!("{letter:?}")))
}

fn is_just(shop: &Shop, letter: &DeadLetterRecord, row: Option<&InboxRow>) -> bool {
    match letter.class {
        DeadLetterClass::Malformed | DeadLetterClass::Ambiguous => false,
        DeadLetterClass::Poison => row.is_some_and(|row| row.is_deadly),
        DeadLetterClass::EntityMissing => {
            let order = row.and_then(|row| row.fact.order());
            order.is_some_and(|order| shop.was_order_deleted(order))
        }
        DeadLetterClass::Rejected => shop.may_refuse(),
    }
}

fn wrong_level(site: &Site) -> Option<(Rule, String)> {
    let shop = &site.shop;
    let expected = shop.reference.expected();
    let wrong = wrong_component(site, &expected).or_else(|| {
        let mut current = shop.reference.current();
        current.find_map(|version| wrong_bundle(shop, version))
    })?;
    Some((Rule::LevelsRight, wrong))
}

/// What is no bundle has what it got, less what was taken of it.
fn wrong_component(site: &Site, expected: &BTreeMap<Place, i64>) -> Option<String> {
    let shop = &site.shop;
    let bundles = shop.reference.bundle_items();
    let mut judged = shop
        .places()
        .into_iter()
        .filter(|place| !bundles.contains(&place.0) && shop.reference.is_judged(*place));
    judged.find_map(|place| {
        let wanted = expected.get(&place).copied().unwrap_or(0);
        let shown = shop.level(place).unwrap_or(0);
        (shown != wanted).then(|| {
            let why = where_they_differ(site, place);
            format!("component {place:?} has {shown}, not {wanted}; {why}")
        })
    })
}

/// The orders of which the ledger asked something else than they took, for whoever looks for the reason.
fn where_they_differ(site: &Site, place: Place) -> String {
    let taken = site.shop.reference.taken_by_order(place);
    let asked = site.tables.asked_by_order(place);
    let orders: std::collections::BTreeSet<_> = taken.keys().chain(asked.keys()).collect();
    let units = |of: &BTreeMap<_, i64>, order| of.get(order).copied().unwrap_or(0);
    let differing = orders
        .into_iter()
        .filter(|order| units(&taken, order) != units(&asked, order))
        .map(|order| {
            let (took, asked) = (units(&taken, order), units(&asked, order));
            let known = site.tables.orders(&[*order]);
            format!("order {order} took {took}, asked {asked}, as known: {known:?}")
        });
    differing.collect::<Vec<_>>().join(", ")
}

/// A bundle has what its parts, as they are shown, make.
fn wrong_bundle(shop: &Shop, version: &Version) -> Option<String> {
    if !shop.is_writable(version.item) {
        return None;
    }
    let locations: Vec<LocationId> = shop.active_locations();
    let level = |place| shop.level(place).unwrap_or(0);
    let shown = |item| shop.shown(item);
    let wanted = shop.reference.wanted(version, &locations, shown, level)?;
    wanted.into_iter().find_map(|(location, units)| {
        let place = (version.item, location);
        let has = shop.level(place).unwrap_or(0);
        (has != units).then(|| format!("bundle {place:?} has {has}, not {units}"))
    })
}
