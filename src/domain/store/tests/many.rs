//! One component in very many bundles: a webhook costs as many set calls as the platform's batches need, and no more.

use uuid::Uuid;

use super::convergence::settings;
use super::model::{COMPONENTS, variant_of};
use crate::clock::Timestamp;
use crate::domain::bundle::{Bundle, Component, Mode, Recipe};
use crate::domain::call::*;
use crate::domain::fact::*;
use crate::domain::store::StorePolicy;
use crate::domain::store::change::{ItemRecord, KeeperRecord, LevelRecord};
use crate::domain::store::command::{Command, Row};
use crate::domain::store::state::{Loaded, Memo, StoreState};
use crate::ids::*;

const BUNDLES: i64 = 10_000;
const HERE: LocationId = LocationId(1);
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn item(item: ItemId) -> ItemRecord {
    ItemRecord {
        item,
        variant: Some(variant_of(item)),
        product: Some(ProductId(item.0)),
        tracked: true,
        sells_when_out: false,
        composite: false,
        gone: false,
        unusable: false,
    }
}

fn level(item: ItemId) -> LevelRecord {
    LevelRecord {
        item,
        location: HERE,
        available: Some(50),
        stamp: START,
        unsure: false,
    }
}

fn bundle(number: i64) -> Bundle {
    let item = ItemId(1_000_000 + number);
    let leaf = COMPONENTS[0];
    let component = Component {
        item: leaf,
        variant: variant_of(leaf),
        product: ProductId(leaf.0),
        quantity: 1,
        optional: false,
    };
    Bundle {
        id: BundleId(Uuid::from_u128(u128::try_from(number).unwrap())),
        title: "kit".to_owned(),
        item,
        variant: variant_of(item),
        product: ProductId(item.0),
        mode: Mode::ShipTogether,
        cap: None,
        recipes: vec![Recipe {
            effective_from: START,
            effective_to: None,
            components: vec![component],
        }],
        deleted: false,
    }
}

/// A settled store in which every bundle contains the same component.
fn store() -> StoreState {
    let bundles = (1..=BUNDLES).map(bundle).collect::<Vec<_>>();
    let items = bundles
        .iter()
        .map(|bundle| bundle.item)
        .chain([COMPONENTS[0]])
        .collect::<Vec<_>>();
    let locations = Some(vec![LocationSnapshot {
        location: HERE,
        active: true,
    }]);
    let mut memo = Memo {
        locations,
        ..Memo::default()
    };
    memo.sweep.finished_at = Some(START);
    let keeper = KeeperRecord {
        memo,
        ..KeeperRecord::default()
    };
    let loaded = Loaded {
        keeper,
        installed_at: None,
        items: items.iter().copied().map(item).collect(),
        levels: items.into_iter().map(level).collect(),
        bundles,
        policy: StorePolicy::default(),
        pending_orders: Vec::new(),
        known_orders: Vec::new(),
        calls: Vec::new(),
        parked: Vec::new(),
    };
    StoreState::restore(StoreId(1), loaded, settings(), START)
}

/// Makes every call that is wanted; returns how many entries each set had.
fn make_calls(state: &mut StoreState, now: &mut Timestamp) -> Vec<usize> {
    let mut sets = Vec::new();
    for number in 0..10_000_u128 {
        *now = now.plus_millis(1_000);
        if !state.wants_call(*now) {
            break;
        }
        let fresh = CallId(Uuid::from_u128(number));
        let Some(call) = state.apply(*now, Command::PlanCall { fresh }).unwrap().call else {
            continue;
        };
        let reply = match &call.request {
            Request::Write(Write::Set(entries)) => {
                sets.push(entries.len());
                Reply::Written { at: Some(*now) }
            }
            Request::Read(Read::Locations) => Reply::Locations(vec![LocationSnapshot {
                location: HERE,
                active: true,
            }]),
            other @ (Request::Write(_) | Request::Read(_)) => panic!("not expected: {other:?}"),
        };
        let answer = Answer {
            result: Ok(reply),
            rate: None,
            platform_time: None,
        };
        state
            .apply(
                *now,
                Command::CallAnswered {
                    call: call.id,
                    answer,
                },
            )
            .unwrap();
    }
    sets
}

#[test]
fn one_component_in_ten_thousand_bundles_costs_forty_sets() {
    let (mut state, mut now) = (store(), START.plus_millis(10_000));
    assert_eq!(
        make_calls(&mut state, &mut now),
        Vec::<usize>::new(),
        "a settled store is left alone"
    );
    let seen = LevelSnapshot {
        item: COMPONENTS[0],
        location: HERE,
        available: Some(49),
        updated_at: now,
    };
    let fact = Ok(Fact::Level(seen));
    let topic = "inventory_levels/update".to_owned();
    let row = Row {
        seq: 1,
        topic,
        fact,
        triggered_at: None,
        from_lane: false,
    };
    state.apply(now, Command::TakeRow(row)).unwrap();
    let sets = make_calls(&mut state, &mut now);
    assert_eq!(sets.len(), 40);
    assert!(sets.iter().all(|entries| *entries == WRITE_ENTRIES_MAX));
}
