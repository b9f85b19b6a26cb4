//! Products: `products/create` and `products/update`.

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::domain::fact::{ProductSnapshot, VariantSnapshot};
use crate::domain::interest::Mentions;
use crate::ids::{ProductId, VariantId};
use crate::platform::Malformed;
use crate::platform::shopify::bodies::order::convert;
use crate::platform::shopify::scalar::{Id, Object, Policy, Scalar};

/// The part of a product that concerns stock.
#[derive(Deserialize)]
pub(super) struct ProductBody {
    #[serde(default)]
    id: Scalar<Id>,
    #[serde(default)]
    admin_graphql_api_id: Scalar<Id>,
    #[serde(default)]
    updated_at: Scalar<Timestamp>,
    variants: Option<Vec<Object<VariantBody>>>,
}

#[derive(Deserialize)]
struct VariantBody {
    #[serde(default)]
    id: Scalar<Id>,
    #[serde(default)]
    admin_graphql_api_id: Scalar<Id>,
    #[serde(default)]
    inventory_policy: Scalar<Policy>,
}

impl ProductBody {
    /// Variants whose policy is not told, or is a new word, are left out: nothing was learnt of them.
    pub(super) fn into_snapshot(self) -> Result<ProductSnapshot, Malformed> {
        let product = self.product()?;
        let variants = convert(
            self.variants.unwrap_or_default(),
            "variants",
            VariantBody::into_snapshot,
        )?;
        Ok(ProductSnapshot {
            product,
            updated_at: self.updated_at.optional("updated_at")?,
            variants: variants.into_iter().flatten().collect(),
        })
    }

    /// `None` when the variants are not named.
    pub(super) fn mentions(&self) -> Option<Mentions> {
        let mut mentions = Mentions {
            products: vec![self.product().ok()?],
            ..Mentions::default()
        };
        for Object(variant) in self.variants.as_ref()? {
            mentions.variants.push(variant.variant().ok()?);
        }
        Some(mentions)
    }

    fn product(&self) -> Result<ProductId, Malformed> {
        self.id
            .or_global(self.admin_graphql_api_id)
            .required("id")
            .map(|Id(id)| ProductId(id))
    }
}

impl VariantBody {
    fn into_snapshot(self) -> Result<Option<VariantSnapshot>, Malformed> {
        let variant = self.variant()?;
        let policy = self.inventory_policy.optional("inventory_policy")?;
        let sells_when_out = policy.and_then(Policy::sells_when_out);
        Ok(sells_when_out.map(|sells_when_out| VariantSnapshot {
            variant,
            sells_when_out,
        }))
    }

    fn variant(&self) -> Result<VariantId, Malformed> {
        self.id
            .or_global(self.admin_graphql_api_id)
            .required("id")
            .map(|Id(id)| VariantId(id))
    }
}
