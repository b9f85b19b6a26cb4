//! What the platform tells of an order, in whatever order it comes.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::fixtures::*;
use crate::clock::Timestamp;
use crate::domain::bundle::SoldBundle;
use crate::domain::fact::{OrderSnapshot, Restock};
use crate::domain::order::*;
use crate::ids::{BundleId, LocationId};

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
