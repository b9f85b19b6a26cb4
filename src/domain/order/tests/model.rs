//! The ledger against a model that moves single units.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fixtures::*;
use crate::domain::fact::{Assignment, OrderSnapshot, RefundLine, RefundSnapshot, Restock};
use crate::domain::order::*;
use crate::ids::{LineId, LocationId};

fn model_net(
    quantity: i64,
    refunds: &[RefundLine],
    assignments: &[Assignment],
) -> BTreeMap<LocationId, i64> {
    let own: Vec<_> = assignments
        .iter()
        .filter(|assignment| assignment.line == KIT)
        .collect();
    let back: Vec<_> = refunds
        .iter()
        .filter(|refund| refund.restock != Restock::None)
        .collect();
    let mut places: Vec<LocationId> = Vec::new();
    for assignment in &own {
        places.extend((0..assignment.quantity).map(|_| assignment.location));
    }
    for shipped in [false, true] {
        for refund in back
            .iter()
            .filter(|refund| (refund.restock == Restock::Return) == shipped)
        {
            places.extend((0..refund.quantity).filter_map(|_| refund.location));
        }
    }
    let first = own.first().map(|own| own.location);
    if let Some(rest) = first
        .or(places.first().copied())
        .or(assignments.first().map(|other| other.location))
    {
        places.extend((0..quantity).map(|_| rest));
    }
    let mut net = BTreeMap::new();
    for place in places.into_iter().take(usize::try_from(quantity).unwrap()) {
        *net.entry(place).or_insert(0) += 1;
    }
    let units = back
        .iter()
        .flat_map(|refund| (0..refund.quantity).map(|_| refund.location));
    for location in units.take(usize::try_from(quantity).unwrap()) {
        let place = location.or_else(|| {
            net.iter()
                .find(|(_, units)| **units > 0)
                .map(|(place, _)| *place)
        });
        if let Some(place) = place.filter(|_| !net.is_empty()) {
            *net.entry(place).or_insert(0) -= 1;
        }
    }
    net
}

fn restocks() -> impl Strategy<Value = Restock> {
    prop::sample::select(vec![
        Restock::None,
        Restock::Cancel,
        Restock::Return,
        Restock::Legacy,
    ])
}

fn refunds() -> impl Strategy<Value = Vec<RefundSnapshot>> {
    let place = prop::option::weighted(0.7, (1_i64..4).prop_map(LocationId));
    let one = (0_i64..3, restocks(), place);
    prop::collection::vec(one, 0..4).prop_map(|refunds| {
        let numbered = (1_i64..).zip(refunds);
        numbered
            .map(|(number, (quantity, restock, location))| {
                refund(number, quantity, restock, location)
            })
            .collect()
    })
}

fn assignments() -> impl Strategy<Value = Vec<Assignment>> {
    let one = (prop::bool::weighted(0.8), 1_i64..4, 1_i64..4);
    prop::collection::vec(one, 0..4).prop_map(|entries| {
        let mut merged: BTreeMap<(LineId, LocationId), i64> = BTreeMap::new();
        for (own, location, quantity) in entries {
            *merged
                .entry((if own { KIT } else { PLAIN }, LocationId(location)))
                .or_default() += quantity;
        }
        merged
            .into_iter()
            .map(|((line, location), quantity)| ships(line, location, quantity))
            .collect()
    })
}

#[derive(Clone, Debug)]
enum Delivery {
    Snapshot(usize),
    Read(usize),
    Refund(usize),
    Assignments,
}

fn deliveries() -> impl Strategy<Value = Vec<Delivery>> {
    let one = prop_oneof![
        4 => (0_usize..4).prop_map(Delivery::Snapshot),
        1 => (0_usize..4).prop_map(Delivery::Read),
        2 => (0_usize..4).prop_map(Delivery::Refund),
        1 => Just(Delivery::Assignments),
    ];
    prop::collection::vec(one, 0..16)
}

/// Four versions of an order; refund number n is embedded from version n on.
fn versions(quantities: &[i64], refunds: &[RefundSnapshot]) -> Vec<OrderSnapshot> {
    let numbered = quantities.iter().zip(1_i64..).enumerate();
    numbered
        .map(|(version, (quantity, second))| {
            let known = if version == 3 {
                refunds.len()
            } else {
                version.min(refunds.len())
            };
            OrderSnapshot {
                refunds: refunds[..known].to_vec(),
                ..snapshot(second, *quantity)
            }
        })
        .collect()
}

fn deliver(
    order: &mut OrderState,
    delivery: &Delivery,
    world: (&[OrderSnapshot], &[RefundSnapshot], &[Assignment]),
) {
    let (versions, refunds, assignments) = world;
    match delivery {
        Delivery::Snapshot(version) => {
            assert_ne!(order.absorb(&versions[*version], sold), Absorbed::Conflict);
        }
        Delivery::Read(version) => assert_ne!(
            order.absorb_read(&versions[*version], sold),
            Absorbed::Conflict
        ),
        Delivery::Refund(number) => {
            if let Some(refund) = refunds.get(*number) {
                order.add_refund(refund);
            }
        }
        Delivery::Assignments => {
            order.assign(assignments);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_end_does_not_depend_on_the_way(
        quantities in prop::collection::vec(0_i64..6, 4),
        refunds in refunds(),
        assignments in assignments(),
        first in 0_usize..4,
        deliveries in deliveries(),
        single in any::<bool>(),
    ) {
        let versions = versions(&quantities, &refunds);
        let placement = if single { Placement::SingleLocation(HERE) } else { Placement::ByAssignment };
        let mut order = OrderState::first_seen(&versions[first], sold).unwrap();
        let told = if single { Vec::new() } else { assignments };
        for delivery in deliveries.iter().chain(&[Delivery::Snapshot(3)]) {
            if !(single && matches!(delivery, Delivery::Assignments)) {
                deliver(&mut order, delivery, (&versions, &refunds, &told));
            }
            order.recompute(&placement);
        }
        if order.needs_assignments {
            deliver(&mut order, &Delivery::Assignments, (&versions, &refunds, &told));
            order.recompute(&placement);
        }
        prop_assert!(!order.needs_assignments && !order.needs_read);
        let lines: Vec<_> = refunds.iter().flat_map(|refund| refund.lines.clone()).collect();
        let model_told = if single { vec![ships(KIT, HERE, 1_000)] } else { told };
        let expected = model_net(quantities[3], &lines, &model_told);
        for (item, need) in [(RAZOR, 2), (FOAM, 1)] {
            let cells = order.cells.iter().filter(|cell| cell.item == item && cell.desired != 0);
            let desired: BTreeMap<_, _> = cells.map(|cell| (cell.location, cell.desired)).collect();
            let expected: BTreeMap<_, _> =
                expected.iter().filter(|(_, units)| **units != 0).map(|(place, units)| (*place, units * need)).collect();
            prop_assert_eq!(&desired, &expected);
            if !order.is_unplaced() {
                prop_assert_eq!(desired.values().sum::<i64>(), order.consumed(KIT) * need);
            }
        }
    }

    #[test]
    fn what_is_asked_ends_as_what_is_desired(steps in prop::collection::vec((0_i64..6, any::<bool>()), 1..10)) {
        let mut order = order(0);
        let mut level = 0;
        for (second, (quantity, ask)) in (2_i64..).zip(steps.into_iter().chain([(3, true)])) {
            order.absorb(&snapshot(second, quantity), sold);
            order.recompute(&Placement::SingleLocation(HERE));
            if ask {
                for delta in order.deltas().collect::<Vec<_>>() {
                    level += if delta.item == FOAM { delta.delta } else { 0 };
                    prop_assert!(order.settle(delta));
                }
                prop_assert!(!order.unsettled());
                prop_assert_eq!(level, -quantity);
            }
        }
    }
}
