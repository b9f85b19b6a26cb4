//! Which location ships what of an order: its fulfillment orders.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::call::{CallError, Meter, READ_POINTS_MAX, Reply};
use crate::domain::fact::{Assignment, Assignments};
use crate::ids::{FulfillmentOrderId, LineId, LocationId, OrderId};
use crate::platform::shopify::errors;
use crate::platform::shopify::graphql::gid::Gid;
use crate::platform::shopify::scalar::{Id, Quantity, Scalar};
use crate::platform::shopify::transport::Session;

/// Points of the first page: for each of 5 fulfillment orders 3 objects and up to 40 lines of 2.
const COST: i64 = 460;
const _: () = assert!(COST <= READ_POINTS_MAX);
/// Requests for one order: 5 fulfillment orders, or 100 lines of one, at a time.
const PAGES_MAX: usize = 20;

const BY_ORDER: &str = "query fulfillmentOrders($order: ID!, $after: String) { order(id: $order) { \
    fulfillmentOrders(first: 5, after: $after) { nodes { id status assignedLocation { location { id } } \
    lineItems(first: 40) { nodes { totalQuantity remainingQuantity lineItem { id } } \
    pageInfo { hasNextPage endCursor } } } pageInfo { hasNextPage endCursor } } } }";

const MORE_LINES: &str = "query fulfillmentOrder($fulfillmentOrder: ID!, $after: String) { \
    fulfillmentOrder(id: $fulfillmentOrder) { id status assignedLocation { location { id } } \
    lineItems(first: 100, after: $after) { nodes { totalQuantity remainingQuantity lineItem { id } } \
    pageInfo { hasNextPage endCursor } } } }";

const ORDER_OF: &str = "query orderOf($fulfillmentOrder: ID!) { fulfillmentOrder(id: $fulfillmentOrder) { order { id } } }";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartVariables {
    fulfillment_order: Gid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartData {
    fulfillment_order: Option<PartNode>,
}

#[derive(Deserialize)]
struct PartNode {
    order: Option<OrderName>,
}

#[derive(Deserialize)]
struct OrderName {
    #[serde(default)]
    id: Scalar<Id>,
}

#[derive(Serialize)]
struct OrderVariables<'call> {
    order: Gid,
    after: Option<&'call str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LinesVariables<'call> {
    fulfillment_order: &'call str,
    after: &'call str,
}

#[derive(Deserialize)]
struct OrderData {
    order: Option<OrderNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderNode {
    fulfillment_orders: Connection<FulfillmentOrderNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LinesData {
    fulfillment_order: Option<FulfillmentOrderNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connection<N> {
    nodes: Vec<N>,
    page_info: Option<PageInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FulfillmentOrderNode {
    id: String,
    status: String,
    assigned_location: Option<AssignedLocation>,
    line_items: Connection<LineNode>,
}

#[derive(Deserialize)]
struct AssignedLocation {
    location: Option<LocationNode>,
}

#[derive(Deserialize)]
struct LocationNode {
    #[serde(default)]
    id: Scalar<Id>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineNode {
    #[serde(default)]
    total_quantity: Scalar<Quantity>,
    #[serde(default)]
    remaining_quantity: Scalar<Quantity>,
    line_item: Option<LineItemNode>,
}

#[derive(Deserialize)]
struct LineItemNode {
    #[serde(default)]
    id: Scalar<Id>,
}

impl<N> Connection<N> {
    fn next(&self) -> Option<String> {
        self.page_info
            .as_ref()
            .filter(|page| page.has_next_page)
            .and_then(|page| page.end_cursor.clone())
    }
}

/// Units by line and location, summed over fulfillment orders.
type Units = BTreeMap<(LineId, LocationId), i64>;

/// Reads all fulfillment orders of an order with all their lines.
pub(in crate::platform::shopify) async fn read(
    session: &mut Session<'_>,
    order: OrderId,
) -> Result<Reply, CallError> {
    let mut pages = Pages {
        units: Units::new(),
        former: Vec::new(),
        read: 0,
    };
    let mut after: Option<String> = None;
    loop {
        pages.turn(session).await?;
        let variables = OrderVariables {
            order: Gid::order(order),
            after: after.as_deref(),
        };
        let data: OrderData = session.graphql(BY_ORDER, variables).await?;
        let Some(found) = data.order else { break };
        after = found.fulfillment_orders.next();
        for fulfillment_order in found.fulfillment_orders.nodes {
            pages.take(session, fulfillment_order).await?;
        }
        if after.is_none() {
            break;
        }
    }
    Ok(Reply::Assignments(pages.into_assignments()))
}

/// Reads whose a fulfillment order is.
pub(in crate::platform::shopify) async fn order_of(
    session: &mut Session<'_>,
    part: FulfillmentOrderId,
) -> Result<Reply, CallError> {
    let variables = PartVariables {
        fulfillment_order: Gid::fulfillment_order(part),
    };
    let data: PartData = session.graphql(ORDER_OF, variables).await?;
    let order = data.fulfillment_order.and_then(|found| found.order);
    let named = order.and_then(|order| order.id.known());
    Ok(Reply::OrderOf(named.map(|Id(id)| OrderId(id))))
}

/// What has been read so far, and with how many requests.
struct Pages {
    units: Units,
    /// Of cancelled fulfillment orders, in the platform's order: oldest first.
    former: Vec<Assignment>,
    read: usize,
}

impl Pages {
    /// Before each request: counts it, and waits unless it is the first.
    async fn turn(&mut self, session: &Session<'_>) -> Result<(), CallError> {
        if self.read >= PAGES_MAX {
            return Err(errors::rejected(
                "TOO_MANY_PAGES",
                "the order has more lines than are read",
            ));
        }
        if self.read > 0 {
            session.pace(Meter::Graphql).await;
        }
        self.read += 1;
        Ok(())
    }

    /// Adds a fulfillment order, reading those of its lines that did not come with it.
    async fn take(
        &mut self,
        session: &mut Session<'_>,
        fulfillment_order: FulfillmentOrderNode,
    ) -> Result<(), CallError> {
        let mut current = fulfillment_order;
        loop {
            self.add(&current);
            let Some(after) = current.line_items.next() else {
                return Ok(());
            };
            self.turn(session).await?;
            let variables = LinesVariables {
                fulfillment_order: &current.id,
                after: &after,
            };
            let data: LinesData = session.graphql(MORE_LINES, variables).await?;
            let Some(more) = data.fulfillment_order else {
                return Ok(());
            };
            current = more;
        }
    }

    fn add(&mut self, fulfillment_order: &FulfillmentOrderNode) {
        let Some(location) = fulfillment_order.location() else {
            return;
        };
        let is_cancelled = fulfillment_order.status.eq_ignore_ascii_case("cancelled");
        for node in &fulfillment_order.line_items.nodes {
            let line = node.line_item.as_ref().and_then(|line| line.id.known());
            let Some(Id(line)) = line else { continue };
            let (total, remaining) = node.units();
            if is_cancelled {
                self.assign(LineId(line), location, remaining);
                self.former.push(Assignment {
                    line: LineId(line),
                    location,
                    quantity: total,
                });
            } else {
                self.assign(LineId(line), location, total);
            }
        }
    }

    fn assign(&mut self, line: LineId, location: LocationId, units: i64) {
        if units > 0 {
            let sum = self.units.entry((line, location)).or_default();
            *sum = sum.saturating_add(units);
        }
    }

    fn into_assignments(self) -> Assignments {
        let units = self.units.into_iter();
        let current = units.map(|((line, location), quantity)| Assignment {
            line,
            location,
            quantity,
        });
        let newest_first = self.former.into_iter().rev();
        Assignments {
            current: current.collect(),
            former: newest_first.filter(|entry| entry.quantity > 0).collect(),
        }
    }
}

impl FulfillmentOrderNode {
    /// `None` when the location was deleted since.
    fn location(&self) -> Option<LocationId> {
        let location = self.assigned_location.as_ref()?.location.as_ref()?;
        location.id.known().map(|Id(id)| LocationId(id))
    }
}

impl LineNode {
    /// Units in all, and what of them is still to be shipped. A cancelled fulfillment order ships only what remains of
    /// it: the rest went to another, and would be counted twice, or nowhere, when the order was cancelled.
    fn units(&self) -> (i64, i64) {
        let told =
            |quantity: &Scalar<Quantity>| quantity.known().map_or(0, |Quantity(units)| units);
        (told(&self.total_quantity), told(&self.remaining_quantity))
    }
}
