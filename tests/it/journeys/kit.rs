//! A bundle as a test defines it.

use serde_json::{Value, json};
use storekeeper::sandbox::Moment;
use storekeeper::sandbox::reference::{Component, Mode, Recipe};

/// A bundle: which item is sold, and what it consists of.
#[derive(Clone, Debug)]
pub(crate) struct Kit {
    item: i64,
    mode: Mode,
    cap: Option<i64>,
    components: Vec<Component>,
}

impl Kit {
    /// A bundle of `(item, quantity)` components.
    pub(crate) fn of(item: i64, components: &[(i64, i64)]) -> Self {
        let component = |(item, quantity): &(i64, i64)| Component {
            item: *item,
            quantity: *quantity,
            optional: false,
        };
        Self {
            item,
            mode: Mode::ShipTogether,
            cap: None,
            components: components.iter().map(component).collect(),
        }
    }

    pub(crate) fn pooled(mut self) -> Self {
        self.mode = Mode::Pooled;
        self
    }

    pub(crate) fn single_location(mut self) -> Self {
        self.mode = Mode::SingleLocation;
        self
    }

    pub(crate) fn cap(mut self, cap: i64) -> Self {
        self.cap = Some(cap);
        self
    }

    /// One more component, whose absence does not stop the bundle from selling.
    pub(crate) fn optional(mut self, item: i64, quantity: i64) -> Self {
        self.components.push(Component {
            item,
            quantity,
            optional: true,
        });
        self
    }

    /// As a merchant sends it.
    pub(crate) fn body(&self) -> Value {
        let component = |it: &Component| json!({ "item": it.item.to_string(), "quantity": it.quantity, "optional": it.optional });
        json!({
            "title": "Kit",
            "item": self.item.to_string(),
            "mode": match self.mode {
                Mode::ShipTogether => "ship_together",
                Mode::Pooled => "pooled",
                Mode::SingleLocation => "single_location",
            },
            "cap": self.cap,
            "components": self.components.iter().map(component).collect::<Vec<_>>(),
        })
    }

    /// As the reference judges it. Orders are stamped by the second, so it counts from the beginning of its second.
    pub(crate) fn recipe(&self, effective_from: Moment) -> Recipe {
        Recipe {
            item: self.item,
            mode: self.mode,
            cap: self.cap,
            components: self.components.clone(),
            effective_from: effective_from.whole_seconds(),
            effective_to: None,
        }
    }

    pub(crate) const fn item(&self) -> i64 {
        self.item
    }
}
