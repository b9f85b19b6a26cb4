//! Owns one order: its lines, what of them is sent, refunded or still waits,
//! and where.

use rust_decimal::Decimal;

use super::{
    clock::Moment,
    fulfilment::{Fulfilment, FulfilmentOrder, FulfilmentStatus},
    oracle::OrderLine,
    refunds::Refund,
};

/// One order.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: i64,
    pub(super) number: usize,
    pub(super) created_at: Moment,
    pub(super) updated_at: Moment,
    pub(super) cancelled_at: Option<Moment>,
    pub(super) cancel_reason: Option<String>,
    pub(super) location: Option<i64>,
    pub(super) paid: bool,
    pub(super) test: bool,
    pub(super) deleted: bool,
    pub(super) lines: Vec<Line>,
    pub(super) refunds: Vec<Refund>,
    pub(super) fulfilment_orders: Vec<FulfilmentOrder>,
    pub(super) fulfilments: Vec<Fulfilment>,
}

/// One line of an order, with the variant as it was sold.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) id: i64,
    pub(super) item: i64,
    pub(super) variant: i64,
    pub(super) product: i64,
    pub(super) sku: String,
    pub(super) title: String,
    pub(super) price: Decimal,
    pub(super) tracked: bool,
    /// Units as ordered.
    pub(super) quantity: i64,
    /// Units neither removed nor refunded.
    pub(super) current: i64,
    /// Units sent.
    pub(super) fulfilled: i64,
    /// Units sent and given back.
    pub(super) returned: i64,
}

impl Order {
    /// The names a movement of the line carries.
    pub(super) const fn line_ref(&self, line: i64) -> OrderLine {
        OrderLine {
            order: self.id,
            line,
            ordered_at: self.created_at.whole_seconds(),
        }
    }

    pub(super) fn line(&self, id: i64) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == id)
    }

    pub(super) fn line_mut(&mut self, id: i64) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.id == id)
    }

    /// Units of a line that still wait to be sent.
    pub(super) fn fulfillable(&self, line: i64) -> i64 {
        self.open_parts(line).map(|(_, remaining)| remaining).sum()
    }

    /// Where the unsent units of a line wait: `(location, units)`.
    pub(super) fn open_parts(&self, line: i64) -> impl Iterator<Item = (i64, i64)> {
        self.fulfilment_orders
            .iter()
            .filter(|part| part.status == FulfilmentStatus::Open)
            .flat_map(move |part| {
                let lines = part.lines.iter().filter(move |found| found.line == line);
                lines.map(|found| (part.location, found.remaining))
            })
    }

    /// The location a line was last assigned to.
    pub(super) fn location_of(&self, line: i64) -> Option<i64> {
        let holds = |part: &&FulfilmentOrder| part.lines.iter().any(|found| found.line == line);
        let last = self.fulfilment_orders.iter().rfind(holds);
        last.map(|part| part.location)
    }

    /// Units of a line refunded so far, restocked or not.
    pub(super) fn refunded(&self, line: i64) -> i64 {
        let lines = self.refunds.iter().flat_map(|refund| &refund.lines);
        lines
            .filter(|refunded| refunded.line == line)
            .map(|refunded| refunded.quantity)
            .sum()
    }

    /// Takes `units` of a line out of what waits to be sent; says from where.
    pub(super) fn release(&mut self, line: i64, units: i64) -> Vec<(i64, i64)> {
        let mut left = units;
        let mut released = Vec::new();
        for part in &mut self.fulfilment_orders {
            if part.status != FulfilmentStatus::Open {
                continue;
            }
            for found in part.lines.iter_mut().filter(|found| found.line == line) {
                let taken = left.min(found.remaining);
                found.remaining -= taken;
                left -= taken;
                if taken > 0 {
                    released.push((part.location, taken));
                }
            }
            part.close_if_done();
        }
        released
    }
}
