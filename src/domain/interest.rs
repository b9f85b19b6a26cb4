//! Temperature: which webhooks concern nobody in a store, and so need not be stored (D10).
//!
//! A keeper publishes its [`Interest`]; intake takes the [`Mentions`] of a body and asks whether any of them is in it.
//! Too wide an interest is always safe, too narrow a one loses webhooks: so the set is widened before the commit that
//! needs it and narrowed only after.

use std::collections::HashSet;

use crate::ids::{ItemId, OrderId, ProductId, VariantId};

/// What a webhook's body is about, by id. Only made of bodies that name all their lines or items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    pub items: Vec<ItemId>,
    pub variants: Vec<VariantId>,
    pub products: Vec<ProductId>,
    pub orders: Vec<OrderId>,
}

/// What a store cares about: the sum of what each of its parts contributes.
///
/// Items, variants and products of every bundle, of its components, and of every recipe that is still frozen in an
/// order line; orders whose ledger is kept; and whole topics where a part wants all of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    items: HashSet<ItemId>,
    variants: HashSet<VariantId>,
    products: HashSet<ProductId>,
    orders: HashSet<OrderId>,
    topics: HashSet<String>,
}

impl Interest {
    /// Cares about an inventory item.
    pub fn insert_item(&mut self, item: ItemId) {
        self.items.insert(item);
    }

    /// Cares about a variant, sold or refunded.
    pub fn insert_variant(&mut self, variant: VariantId) {
        self.variants.insert(variant);
    }

    /// Cares about a product.
    pub fn insert_product(&mut self, product: ProductId) {
        self.products.insert(product);
    }

    /// Cares about an order, whatever it holds.
    pub fn insert_order(&mut self, order: OrderId) {
        self.orders.insert(order);
    }

    /// Cares about everything of a topic, by the platform's name for it.
    pub fn insert_topic(&mut self, topic: impl Into<String>) {
        self.topics.insert(topic.into());
    }

    /// Widens by all that `other` cares about.
    pub fn widen(&mut self, other: &Self) {
        self.items.extend(&other.items);
        self.variants.extend(&other.variants);
        self.products.extend(&other.products);
        self.orders.extend(&other.orders);
        self.topics.extend(other.topics.iter().cloned());
    }

    /// Whether no part of the store is interested in a webhook of `topic` about `mentions`.
    ///
    /// A body that names its lines and has none of ours, such as an order of custom lines only, is naked. The caller
    /// has made sure that the topic may be naked at all: `mentions` exist for no other.
    #[must_use]
    pub fn is_naked(&self, topic: &str, mentions: &Mentions) -> bool {
        !(self.topics.contains(topic)
            || mentions.items.iter().any(|item| self.items.contains(item))
            || mentions
                .variants
                .iter()
                .any(|variant| self.variants.contains(variant))
            || mentions
                .products
                .iter()
                .any(|product| self.products.contains(product))
            || mentions
                .orders
                .iter()
                .any(|order| self.orders.contains(order)))
    }

    /// How many ids and topics it holds: what its memory is measured by.
    #[must_use]
    pub fn size(&self) -> usize {
        self.items.len()
            + self.variants.len()
            + self.products.len()
            + self.orders.len()
            + self.topics.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOPIC: &str = "orders/create";

    fn mentions() -> impl Strategy<Value = Mentions> {
        let ids = || prop::collection::vec(1_i64..40, 0..6);
        (ids(), ids(), ids(), ids()).prop_map(|(items, variants, products, orders)| Mentions {
            items: items.into_iter().map(ItemId).collect(),
            variants: variants.into_iter().map(VariantId).collect(),
            products: products.into_iter().map(ProductId).collect(),
            orders: orders.into_iter().map(OrderId).collect(),
        })
    }

    fn interest_in(mentions: &Mentions) -> Interest {
        let mut interest = Interest::default();
        mentions
            .items
            .iter()
            .for_each(|item| interest.insert_item(*item));
        mentions
            .variants
            .iter()
            .for_each(|variant| interest.insert_variant(*variant));
        mentions
            .products
            .iter()
            .for_each(|product| interest.insert_product(*product));
        mentions
            .orders
            .iter()
            .for_each(|order| interest.insert_order(*order));
        interest
    }

    fn shares_an_id(left: &Mentions, right: &Mentions) -> bool {
        left.items.iter().any(|item| right.items.contains(item))
            || left
                .variants
                .iter()
                .any(|variant| right.variants.contains(variant))
            || left
                .products
                .iter()
                .any(|product| right.products.contains(product))
            || left.orders.iter().any(|order| right.orders.contains(order))
    }

    proptest! {
        #[test]
        fn naked_exactly_when_no_mentioned_id_is_of_interest(cared in mentions(), told in mentions()) {
            prop_assert_eq!(interest_in(&cared).is_naked(TOPIC, &told), !shares_an_id(&cared, &told));
        }

        #[test]
        fn widening_never_makes_naked(cared in mentions(), more in mentions(), told in mentions()) {
            let narrow = interest_in(&cared);
            let mut wide = narrow.clone();
            wide.widen(&interest_in(&more));
            prop_assert!(narrow.is_naked(TOPIC, &told) || !wide.is_naked(TOPIC, &told));
        }
    }

    #[test]
    fn ids_of_one_sort_do_not_stand_for_another() {
        let mut interest = Interest::default();
        interest.insert_item(ItemId(7));
        let told = Mentions {
            variants: vec![VariantId(7)],
            products: vec![ProductId(7)],
            ..Mentions::default()
        };
        assert!(interest.is_naked(TOPIC, &told));
    }

    #[test]
    fn a_whole_topic_is_never_naked() {
        let mut interest = Interest::default();
        interest.insert_topic("products/update");
        assert!(!interest.is_naked("products/update", &Mentions::default()));
        assert!(interest.is_naked("products/delete", &Mentions::default()));
    }
}
