//! The ledger against a model that moves single units, and the cases of the platform facts.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::clock::Timestamp;
use crate::domain::bundle::SoldBundle;
use crate::domain::fact::{
    Assignment, LineSnapshot, OrderSnapshot, RefundLine, RefundSnapshot, Restock,
};
use crate::ids::{BundleId, ItemId, LineId, LocationId, OrderId, RefundId, VariantId};

const RAZOR: ItemId = ItemId(1);
const FOAM: ItemId = ItemId(2);
const HERE: LocationId = LocationId(1);
const THERE: LocationId = LocationId(2);
const KIT: LineId = LineId(10);
const PLAIN: LineId = LineId(99);

/// Variants below 50 are kits of two razors and a foam.
fn sold(variant: VariantId) -> Option<SoldBundle> {
    let needs = BTreeMap::from([(RAZOR, 2), (FOAM, 1)]);
    (variant.0 < 50).then(|| SoldBundle {
        bundle: BundleId(Uuid::nil()),
        needs,
    })
}

fn snapshot(second: i64, quantity: i64) -> OrderSnapshot {
    let line = |line: LineId, variant, quantity| LineSnapshot {
        line,
        variant: Some(VariantId(variant)),
        product: None,
        quantity,
    };
    OrderSnapshot {
        order: OrderId(7),
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(second * 1_000),
        cancelled: false,
        location: None,
        lines: vec![line(KIT, 11, quantity), line(PLAIN, 60, 4)],
        refunds: Vec::new(),
    }
}

fn refund(
    number: i64,
    quantity: i64,
    restock: Restock,
    location: Option<LocationId>,
) -> RefundSnapshot {
    let lines = vec![RefundLine {
        line: KIT,
        variant: None,
        quantity,
        restock,
        location,
    }];
    RefundSnapshot {
        refund: RefundId(number),
        order: OrderId(7),
        lines,
    }
}

fn ships(line: LineId, location: LocationId, quantity: i64) -> Assignment {
    Assignment {
        line,
        location,
        quantity,
    }
}

fn order(quantity: i64) -> OrderState {
    OrderState::first_seen(&snapshot(1, quantity), sold).unwrap()
}

/// An order of several locations, placed.
fn placed(quantity: i64, assignments: &[Assignment]) -> OrderState {
    let mut order = order(quantity);
    order.assign(assignments);
    order.recompute(&Placement::ByAssignment);
    order
}

/// Desired foams by location; each kit has one.
fn foams(order: &OrderState) -> Vec<(i64, i64)> {
    let cells = order
        .cells
        .iter()
        .filter(|cell| cell.item == FOAM && cell.desired != 0);
    cells.map(|cell| (cell.location.0, cell.desired)).collect()
}

// --- The model: single units, moved one by one. ---

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

#[test]
fn an_order_without_bundles_is_none_of_ours() {
    let mut plain = snapshot(1, 1);
    plain.lines.remove(0);
    assert_eq!(OrderState::first_seen(&plain, sold), None);
}

#[test]
fn a_sale_consumes_every_component_and_a_restock_gives_back() {
    for (restock, left) in [
        (Restock::None, 3),
        (Restock::Cancel, 1),
        (Restock::Return, 1),
        (Restock::Legacy, 1),
    ] {
        let mut order = order(3);
        order.recompute(&Placement::SingleLocation(HERE));
        assert_eq!(foams(&order), [(1, 3)]);
        assert_eq!(
            order.deltas().map(|delta| delta.delta).collect::<Vec<_>>(),
            [-6, -3]
        );
        assert!(order.add_refund(&refund(1, 2, restock, Some(HERE))));
        assert!(!order.add_refund(&refund(1, 2, restock, Some(HERE))));
        order.recompute(&Placement::SingleLocation(HERE));
        assert_eq!(foams(&order), [(1, left)]);
    }
}

#[test]
fn refunds_of_more_than_was_sold_give_back_no_more_than_was_sold() {
    let mut order = order(2);
    order.add_refund(&refund(1, 2, Restock::Cancel, None));
    order.add_refund(&refund(2, 2, Restock::Return, None));
    order.recompute(&Placement::SingleLocation(HERE));
    assert_eq!((foams(&order), order.consumed(KIT)), (vec![], 0));
}

#[test]
fn a_cancelled_order_without_refund_lines_and_a_deleted_one_stay_consumed() {
    let mut order = order(2);
    let cancelled = OrderSnapshot {
        cancelled: true,
        ..snapshot(2, 2)
    };
    assert_eq!(order.absorb(&cancelled, sold), Absorbed::Applied);
    order.touch();
    order.mark_deleted();
    order.recompute(&Placement::SingleLocation(HERE));
    assert_eq!(foams(&order), [(1, 2)]);
    let other = OrderSnapshot {
        cancelled: false,
        ..cancelled
    };
    assert_eq!(order.absorb(&other, sold), Absorbed::Conflict);
    assert!(!order.needs_read, "a deleted order cannot be read");
}

#[test]
fn only_a_read_settles_an_equal_stamp_with_other_content() {
    let mut order = order(2);
    assert_eq!(order.absorb(&snapshot(1, 2), sold), Absorbed::Same);
    assert_eq!(order.absorb(&snapshot(1, 3), sold), Absorbed::Conflict);
    assert_eq!(order.lines[&KIT].quantity, 2);
    assert_eq!(order.absorb_read(&snapshot(0, 9), sold), Absorbed::Stale);
    assert!(order.needs_read && order.unsettled());
    assert_eq!(order.absorb_read(&snapshot(1, 3), sold), Absorbed::Applied);
    assert_eq!((order.lines[&KIT].quantity, order.needs_read), (3, false));
    assert_eq!(order.absorb_read(&snapshot(1, 3), sold), Absorbed::Same);
    order.needs_read = true;
    assert_eq!(
        order.absorb_read(&snapshot(1, 3), sold),
        Absorbed::Applied,
        "the read is done, which must be kept"
    );
    assert_eq!(order.absorb(&snapshot(0, 9), sold), Absorbed::Stale);
}

#[test]
fn the_recipe_is_frozen_when_the_line_is_first_seen() {
    let mut order = order(1);
    let edited = |_| {
        Some(SoldBundle {
            bundle: BundleId(Uuid::max()),
            needs: BTreeMap::from([(RAZOR, 9)]),
        })
    };
    order.absorb(&snapshot(2, 4), edited);
    order.recompute(&Placement::SingleLocation(HERE));
    assert_eq!(foams(&order), [(1, 4)]);
}

#[test]
fn nothing_is_guessed_before_the_platform_has_told_where() {
    let mut order = order(2);
    order.recompute(&Placement::ByAssignment);
    assert!(order.cells.is_empty() && order.needs_assignments);
    order.assign(&[]);
    order.recompute(&Placement::ByAssignment);
    assert!(order.cells.is_empty() && !order.needs_assignments && order.is_unplaced());
    order.assign(&[ships(KIT, THERE, 2)]);
    order.recompute(&Placement::ByAssignment);
    assert_eq!((foams(&order), order.is_unplaced()), (vec![(2, 2)], false));
    order.absorb(&snapshot(2, 3), sold);
    order.recompute(&Placement::ByAssignment);
    assert!(
        order.needs_assignments,
        "the added unit may ship from anywhere"
    );
    assert_eq!((foams(&order), order.deltas().count()), (vec![(2, 2)], 0));
}

#[test]
fn a_cancelled_order_that_was_never_placed_is_placed_by_what_was_to_ship() {
    let mut order = order(5);
    order.recompute(&Placement::ByAssignment);
    order.assign(&[]);
    assert!(!order.recall(&[ships(PLAIN, HERE, 1)]), "of another line");
    let newest_first = [
        ships(KIT, THERE, 3),
        ships(KIT, HERE, 4),
        ships(KIT, THERE, 9),
    ];
    assert!(order.recall(&newest_first));
    assert!(!order.recall(&newest_first), "no news");
    order.recompute(&Placement::ByAssignment);
    assert_eq!(foams(&order), [(1, 2), (2, 3)]);
}

#[test]
fn what_was_to_ship_says_nothing_of_units_that_are_placed() {
    let mut order = placed(3, &[ships(KIT, HERE, 3)]);
    order.assign(&[ships(KIT, THERE, 2)]);
    assert!(!order.recall(&[ships(KIT, THERE, 3)]));
    order.recompute(&Placement::ByAssignment);
    assert_eq!(foams(&order), [(1, 1), (2, 2)]);
}

#[test]
fn a_point_of_sale_order_is_taken_where_it_happened() {
    let mut order = OrderState::first_seen(
        &OrderSnapshot {
            location: Some(THERE),
            ..snapshot(1, 2)
        },
        sold,
    )
    .unwrap();
    order.recompute(&Placement::ByAssignment);
    assert_eq!(
        (foams(&order), order.needs_assignments),
        (vec![(2, 2)], false)
    );
}

#[test]
fn consumption_moves_with_the_assignments() {
    let mut order = placed(3, &[ships(KIT, HERE, 3), ships(PLAIN, THERE, 4)]);
    for delta in order.deltas().collect::<Vec<_>>() {
        order.settle(delta);
    }
    order.assign(&[ships(KIT, HERE, 1), ships(KIT, THERE, 2)]);
    order.recompute(&Placement::ByAssignment);
    assert_eq!(foams(&order), [(1, 1), (2, 2)]);
    let foam_deltas: Vec<_> = order
        .deltas()
        .filter(|delta| delta.item == FOAM)
        .map(|delta| (delta.location, delta.delta))
        .collect();
    assert_eq!(foam_deltas, [(HERE, 2), (THERE, -2)]);
}

#[test]
fn units_that_left_the_assignments_stay_where_they_were_last() {
    let mut order = placed(3, &[ships(KIT, HERE, 3)]);
    order.assign(&[ships(KIT, THERE, 3)]);
    order.assign(&[ships(KIT, THERE, 2)]);
    order.assign(&[ships(KIT, THERE, 2)]);
    order.recompute(&Placement::ByAssignment);
    assert_eq!(
        foams(&order),
        [(2, 3)],
        "written off where it was to ship from"
    );
    order.assign(&[]);
    order.recompute(&Placement::ByAssignment);
    assert_eq!(foams(&order), [(2, 3)]);
    order.add_refund(&refund(1, 1, Restock::Cancel, None));
    order.recompute(&Placement::ByAssignment);
    assert_eq!(foams(&order), [(2, 2)]);
}

#[test]
fn a_return_to_another_location_is_given_back_there() {
    let mut order = placed(2, &[ships(KIT, HERE, 2)]);
    order.add_refund(&refund(1, 1, Restock::Return, Some(THERE)));
    order.recompute(&Placement::ByAssignment);
    assert_eq!(foams(&order), [(1, 2), (2, -1)]);
}

#[test]
fn a_restock_before_first_sight_nets_out_where_it_happened() {
    let mut cancelled = snapshot(1, 2);
    cancelled.refunds = vec![refund(1, 2, Restock::Cancel, Some(THERE))];
    let mut order = OrderState::first_seen(&cancelled, sold).unwrap();
    order.assign(&[]);
    order.recompute(&Placement::ByAssignment);
    assert_eq!((foams(&order), order.is_unplaced()), (vec![], false));
}

#[test]
fn a_store_that_changes_its_number_of_locations_moves_nothing_by_itself() {
    let mut order = order(2);
    order.recompute(&Placement::SingleLocation(HERE));
    order.recompute(&Placement::ByAssignment);
    assert_eq!(
        (foams(&order), order.needs_assignments),
        (vec![(1, 2)], false)
    );
    order.recompute(&Placement::SingleLocation(THERE));
    assert_eq!(foams(&order), [(1, 2)]);
    order.assign(&[ships(KIT, THERE, 1)]);
    order.recompute(&Placement::ByAssignment);
    assert_eq!(
        foams(&order),
        [(1, 1), (2, 1)],
        "one unit left the assignments and stays where it was taken"
    );
}

#[test]
fn a_blocked_cell_asks_for_nothing_and_a_refused_one_asks_again() {
    let mut order = order(1);
    order.recompute(&Placement::SingleLocation(HERE));
    let deltas: Vec<_> = order.deltas().collect();
    for delta in &deltas {
        assert!(order.settle(*delta) && order.unsettle(*delta));
    }
    assert_eq!(order.deltas().collect::<Vec<_>>(), deltas);
    order.block(RAZOR, HERE, true);
    order.block(FOAM, HERE, true);
    // It stays unsettled, so that it is at hand when the platform takes it after all.
    assert!(order.unsettled() && order.deltas().count() == 0);
    order.block(FOAM, HERE, false);
    assert_eq!(order.deltas().count(), 1);
}

#[test]
fn the_digest_is_stable_and_sees_what_matters() {
    let mut base = snapshot(1, 2);
    base.refunds = vec![
        refund(1, 1, Restock::Cancel, Some(HERE)),
        refund(2, 1, Restock::Return, None),
    ];
    assert_eq!(
        digest(&base),
        DIGEST_OF_BASE,
        "rows hold digests: this may never change"
    );
    let mut shuffled = base.clone();
    shuffled.lines.reverse();
    shuffled.refunds.reverse();
    shuffled.updated_at = Timestamp::from_millis(5_000);
    assert_eq!(digest(&shuffled), digest(&base));
    let changes: [fn(&mut OrderSnapshot); 6] = [
        |order| order.cancelled = true,
        |order| order.location = Some(HERE),
        |order| order.lines[0].quantity += 1,
        |order| order.lines[0].variant = None,
        |order| order.refunds[0].lines[0].restock = Restock::Legacy,
        |order| order.refunds[1].lines[0].location = Some(LocationId(0)),
    ];
    for change in changes {
        let mut other = base.clone();
        change(&mut other);
        assert_ne!(digest(&other), digest(&base), "{other:?}");
    }
}

const DIGEST_OF_BASE: u64 = 7_667_420_997_795_499_704;

#[test]
fn what_was_asked_and_taken_back_is_not_forgotten_when_the_first_is_refused_late() {
    let mut order = placed(3, &[ships(KIT, HERE, 3)]);
    let asked = CellDelta {
        line: KIT,
        item: FOAM,
        location: HERE,
        delta: -3,
    };
    assert!(order.settle(asked));
    order.add_refund(&refund(1, 3, Restock::Cancel, Some(HERE)));
    order.recompute(&Placement::ByAssignment);
    assert!(order.settle(CellDelta { delta: 3, ..asked }));
    order.recompute(&Placement::ByAssignment);
    // Only the second took effect: three foams too many.
    order.reopen(asked, false);
    let open: Vec<_> = order.deltas().filter(|delta| delta.item == FOAM).collect();
    assert_eq!(open, [asked]);
}

#[test]
fn a_cell_that_asks_for_nothing_is_blocked_no_more() {
    let mut order = placed(2, &[ships(KIT, HERE, 2)]);
    order.block(FOAM, HERE, true);
    order.add_refund(&refund(1, 2, Restock::Cancel, Some(HERE)));
    order.recompute(&Placement::ByAssignment);
    assert!(order.cells.iter().all(|cell| !cell.blocked));
}

#[test]
fn units_that_moved_before_their_order_was_cancelled_are_taken_where_they_were_last() {
    let mut order = placed(4, &[ships(KIT, HERE, 4)]);
    order.assign(&[]);
    order.recall(&[ships(KIT, THERE, 1), ships(KIT, HERE, 3)]);
    order.recompute(&Placement::ByAssignment);
    assert_eq!(foams(&order), [(1, 3), (2, 1)]);
}
