//! An order of one kit in a few words.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::domain::bundle::SoldBundle;
use crate::domain::fact::{
    Assignment, LineSnapshot, OrderSnapshot, RefundLine, RefundSnapshot, Restock,
};
use crate::domain::order::*;
use crate::ids::{BundleId, ItemId, LineId, LocationId, OrderId, RefundId, VariantId};

pub(super) const RAZOR: ItemId = ItemId(1);
pub(super) const FOAM: ItemId = ItemId(2);
pub(super) const HERE: LocationId = LocationId(1);
pub(super) const THERE: LocationId = LocationId(2);
pub(super) const KIT: LineId = LineId(10);
pub(super) const PLAIN: LineId = LineId(99);

/// Variants below 50 are kits of two razors and a foam.
pub(super) fn sold(variant: VariantId) -> Option<SoldBundle> {
    let needs = BTreeMap::from([(RAZOR, 2), (FOAM, 1)]);
    (variant.0 < 50).then(|| SoldBundle {
        bundle: BundleId(Uuid::nil()),
        needs,
    })
}

pub(super) fn snapshot(second: i64, quantity: i64) -> OrderSnapshot {
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
        paid: true,
        location: None,
        lines: vec![line(KIT, 11, quantity), line(PLAIN, 60, 4)],
        refunds: Vec::new(),
    }
}

pub(super) fn refund(
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

pub(super) fn ships(line: LineId, location: LocationId, quantity: i64) -> Assignment {
    Assignment {
        line,
        location,
        quantity,
    }
}

pub(super) fn order(quantity: i64) -> OrderState {
    OrderState::first_seen(&snapshot(1, quantity), sold).unwrap()
}

/// An order of several locations, placed.
pub(super) fn placed(quantity: i64, assignments: &[Assignment]) -> OrderState {
    let mut order = order(quantity);
    order.assign(assignments);
    order.recompute(&Placement::ByAssignment);
    order
}

/// Desired foams by location; each kit has one.
pub(super) fn foams(order: &OrderState) -> Vec<(i64, i64)> {
    let cells = order
        .cells
        .iter()
        .filter(|cell| cell.item == FOAM && cell.desired != 0);
    cells.map(|cell| (cell.location.0, cell.desired)).collect()
}

// --- The model: single units, moved one by one. ---
