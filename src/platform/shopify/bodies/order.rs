//! Orders: `orders/*`, and the REST resource, which has the same shape.

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::domain::fact::{LineSnapshot, OrderSnapshot};
use crate::domain::interest::Mentions;
use crate::ids::{LineId, LocationId, OrderId, ProductId, VariantId};
use crate::platform::Malformed;
use crate::platform::shopify::bodies::refund::RefundBody;
use crate::platform::shopify::scalar::{Id, Object, Payment, Quantity, Scalar};

/// The part of an order that concerns stock.
#[derive(Deserialize)]
pub(in crate::platform::shopify) struct OrderBody {
    #[serde(default)]
    id: Scalar<Id>,
    #[serde(default)]
    admin_graphql_api_id: Scalar<Id>,
    #[serde(default)]
    created_at: Scalar<Timestamp>,
    #[serde(default)]
    updated_at: Scalar<Timestamp>,
    #[serde(default)]
    cancelled_at: Scalar<Timestamp>,
    #[serde(default)]
    location_id: Scalar<Id>,
    #[serde(default)]
    financial_status: Scalar<Payment>,
    line_items: Option<Vec<Object<LineBody>>>,
    refunds: Option<Vec<Object<RefundBody>>>,
}

/// A line, as orders and refunds embed it.
#[derive(Deserialize)]
pub(super) struct LineBody {
    #[serde(default)]
    id: Scalar<Id>,
    #[serde(default)]
    admin_graphql_api_id: Scalar<Id>,
    #[serde(default)]
    pub(super) variant_id: Scalar<Id>,
    #[serde(default)]
    product_id: Scalar<Id>,
    #[serde(default)]
    quantity: Scalar<Quantity>,
}

impl OrderBody {
    pub(in crate::platform::shopify) fn into_snapshot(self) -> Result<OrderSnapshot, Malformed> {
        let order = self.order()?;
        // An order that does not tell its lines is not one without lines.
        let lines = self
            .line_items
            .ok_or_else(|| Malformed::new("line_items", "missing, wanted a list"))?;
        Ok(OrderSnapshot {
            order,
            created_at: self.created_at.required("created_at")?,
            updated_at: self.updated_at.required("updated_at")?,
            cancelled: self.cancelled_at.optional("cancelled_at")?.is_some(),
            paid: self.financial_status.known().is_some_and(Payment::is_whole),
            location: self
                .location_id
                .optional("location_id")?
                .map(|Id(id)| LocationId(id)),
            lines: convert(lines, "line_items", LineBody::into_snapshot)?,
            refunds: convert(self.refunds.unwrap_or_default(), "refunds", |refund| {
                refund.into_snapshot(Some(order))
            })?,
        })
    }

    /// `None` when the lines are not named.
    pub(super) fn mentions(&self) -> Option<Mentions> {
        let mut mentions = Mentions {
            orders: vec![self.order().ok()?],
            ..Mentions::default()
        };
        for Object(line) in self.line_items.as_ref()? {
            line.mention(&mut mentions)?;
        }
        for Object(refund) in self.refunds.iter().flatten() {
            refund.mention_lines(&mut mentions);
        }
        Some(mentions)
    }

    fn order(&self) -> Result<OrderId, Malformed> {
        self.id
            .or_global(self.admin_graphql_api_id)
            .required("id")
            .map(|Id(id)| OrderId(id))
    }
}

impl LineBody {
    fn into_snapshot(self) -> Result<LineSnapshot, Malformed> {
        let Quantity(quantity) = self.quantity.required("quantity")?;
        Ok(LineSnapshot {
            line: self.line()?,
            variant: self
                .variant_id
                .optional("variant_id")?
                .map(|Id(id)| VariantId(id)),
            product: self
                .product_id
                .optional("product_id")?
                .map(|Id(id)| ProductId(id)),
            quantity,
        })
    }

    pub(super) fn line(&self) -> Result<LineId, Malformed> {
        self.id
            .or_global(self.admin_graphql_api_id)
            .required("id")
            .map(|Id(id)| LineId(id))
    }

    /// `None` when the line does not say what it sold. Null does not say it either: a custom line has no variant, but
    /// neither has a line whose variant was deleted since, and that may have been a bundle with a ledger.
    pub(super) fn mention(&self, mentions: &mut Mentions) -> Option<()> {
        let Id(variant) = self.variant_id.known()?;
        mentions.variants.push(VariantId(variant));
        mentions
            .products
            .extend(self.product_id.known().map(|Id(id)| ProductId(id)));
        Some(())
    }
}

/// Converts each entry of a list; what is malformed says where it stood.
pub(super) fn convert<Body, Entry>(
    bodies: Vec<Object<Body>>,
    field: &str,
    convert_one: impl Fn(Body) -> Result<Entry, Malformed>,
) -> Result<Vec<Entry>, Malformed> {
    let entries = bodies.into_iter().enumerate();
    entries
        .map(|(index, Object(body))| {
            convert_one(body).map_err(|malformed| malformed.within(field, index))
        })
        .collect()
}

/// `orders/edited`: deltas by line, without variants; only the order's name is of use.
#[derive(Deserialize)]
pub(super) struct OrderEditBody {
    order_edit: Option<Object<OrderEdit>>,
}

#[derive(Deserialize)]
struct OrderEdit {
    #[serde(default)]
    order_id: Scalar<Id>,
}

impl OrderEditBody {
    pub(super) fn order(self) -> Result<OrderId, Malformed> {
        let Object(edit) = self
            .order_edit
            .ok_or_else(|| Malformed::new("order_edit", "missing, wanted an object"))?;
        edit.order_id
            .required("order_edit.order_id")
            .map(|Id(id)| OrderId(id))
    }
}
