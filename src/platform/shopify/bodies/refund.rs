//! Refunds: `refunds/create`, and those that an order embeds.

use serde::Deserialize;

use crate::domain::fact::{RefundLine, RefundSnapshot, Restock};
use crate::domain::interest::Mentions;
use crate::ids::{LineId, LocationId, OrderId, RefundId, VariantId};
use crate::platform::Malformed;
use crate::platform::shopify::bodies::order::{LineBody, convert};
use crate::platform::shopify::scalar::{Id, Object, Quantity, Scalar};

/// The part of a refund that concerns stock.
#[derive(Deserialize)]
pub(in crate::platform::shopify) struct RefundBody {
    #[serde(default)]
    id: Scalar<Id>,
    #[serde(default)]
    admin_graphql_api_id: Scalar<Id>,
    #[serde(default)]
    order_id: Scalar<Id>,
    refund_line_items: Option<Vec<Object<RefundLineBody>>>,
}

#[derive(Deserialize)]
struct RefundLineBody {
    #[serde(default)]
    line_item_id: Scalar<Id>,
    #[serde(default)]
    quantity: Scalar<Quantity>,
    #[serde(default)]
    restock_type: Scalar<Restock>,
    #[serde(default)]
    location_id: Scalar<Id>,
    line_item: Option<Object<LineBody>>,
}

impl RefundBody {
    /// `order` is the order that embeds this refund, if one does.
    pub(super) fn into_snapshot(self, order: Option<OrderId>) -> Result<RefundSnapshot, Malformed> {
        let Id(refund) = self
            .id
            .or_global(self.admin_graphql_api_id)
            .required("id")?;
        let order = match order {
            Some(order) => order,
            None => self.order()?,
        };
        // A refund is never told again in full, so one that does not tell its lines must not pass for a whole one.
        let lines = self
            .refund_line_items
            .ok_or_else(|| Malformed::new("refund_line_items", "missing, wanted a list"))?;
        let lines = convert(lines, "refund_line_items", RefundLineBody::into_line)?;
        Ok(RefundSnapshot {
            refund: RefundId(refund),
            order,
            lines,
        })
    }

    /// `None` when the lines are not named.
    pub(super) fn mentions(&self) -> Option<Mentions> {
        let mut mentions = Mentions {
            orders: vec![self.order().ok()?],
            ..Mentions::default()
        };
        for Object(line) in self.refund_line_items.as_ref()? {
            let Object(line_item) = line.line_item.as_ref()?;
            line_item.mention(&mut mentions)?;
        }
        Some(mentions)
    }

    /// Adds what the embedded lines name; the order that embeds this refund names them all anyway.
    pub(super) fn mention_lines(&self, mentions: &mut Mentions) {
        let lines = self.refund_line_items.iter().flatten();
        for Object(line_item) in lines.filter_map(|Object(line)| line.line_item.as_ref()) {
            let _named = line_item.mention(mentions);
        }
    }

    fn order(&self) -> Result<OrderId, Malformed> {
        self.order_id.required("order_id").map(|Id(id)| OrderId(id))
    }
}

impl RefundLineBody {
    fn into_line(self) -> Result<RefundLine, Malformed> {
        let Quantity(quantity) = self.quantity.required("quantity")?;
        Ok(RefundLine {
            line: self.line()?,
            variant: self.variant()?,
            quantity,
            restock: self
                .restock_type
                .optional("restock_type")?
                .unwrap_or(Restock::None),
            location: self
                .location_id
                .optional("location_id")?
                .map(|Id(id)| LocationId(id)),
        })
    }

    /// The embedded line knows its own global id, so it is asked first.
    fn line(&self) -> Result<LineId, Malformed> {
        match self
            .line_item
            .as_ref()
            .map(|Object(line_item)| line_item.line())
        {
            Some(Ok(line)) => Ok(line),
            Some(Err(_)) | None => self
                .line_item_id
                .required("line_item_id")
                .map(|Id(id)| LineId(id)),
        }
    }

    fn variant(&self) -> Result<Option<VariantId>, Malformed> {
        let Some(Object(line_item)) = &self.line_item else {
            return Ok(None);
        };
        Ok(line_item
            .variant_id
            .optional("line_item.variant_id")?
            .map(|Id(id)| VariantId(id)))
    }
}
