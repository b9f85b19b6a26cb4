//! Where units are taken, and where they come back.

use super::fixtures::*;
use crate::domain::fact::{OrderSnapshot, Restock};
use crate::domain::order::*;

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
fn a_unit_that_left_is_missing_where_fewer_are_assigned_than_before() {
    let mut order = placed(3, &[ships(KIT, HERE, 2), ships(KIT, THERE, 1)]);
    order.assign(&[ships(KIT, HERE, 2)]);
    order.recompute(&Placement::ByAssignment);
    assert_eq!(foams(&order), [(1, 2), (2, 1)]);
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
