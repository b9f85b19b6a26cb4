//! Recipes of recipes, boiled down to leaves: items that are no bundles themselves.
//!
//! A leaf reached on several paths is needed with the sum of the products of the quantities along each path.

use std::collections::BTreeMap;

use crate::domain::bundle::Component;
use crate::ids::ItemId;

/// The most bundles on a way from a bundle down to a leaf, both ends of the nesting included: a bundle of plain items
/// has depth 1.
pub const DEPTH_MAX: usize = 8;
/// The most units of one leaf in one bundle: the platform's bound for a level.
pub const NEED_MAX: i64 = 1_000_000_000;
/// The most different leaves of one bundle, nested ones included.
pub const LEAVES_MAX: usize = 1_000;

/// A bundle in terms of its leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flat {
    /// Units of every leaf that one bundle consumes.
    pub needs: BTreeMap<ItemId, i64>,
    /// The part of `needs` that limits how many bundles there are: without what is reached through an optional
    /// component only.
    pub limiting: BTreeMap<ItemId, i64>,
    /// Levels of nesting, at least 1.
    pub depth: usize,
}

/// What an item is when it stands in a recipe.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    Leaf,
    Recipe(&'a [Component]),
    /// A bundle whose flat form is known already.
    Known(&'a Flat),
}

/// Why a recipe has no sound flat form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlattenFault {
    /// A bundle contains itself.
    Cycle,
    /// Nested deeper than [`DEPTH_MAX`].
    TooDeep,
    /// A leaf is needed more than [`NEED_MAX`] times.
    NeedTooLarge { leaf: ItemId },
    /// More than [`LEAVES_MAX`] leaves.
    TooManyLeaves { count: usize },
}

/// Flattens bundles, each at most once. Always ends, on unsound recipes too: it then notes the first fault and takes
/// the offending component for a leaf.
#[derive(Debug)]
pub struct Flattener<'a, Lookup: Fn(ItemId) -> Part<'a>> {
    lookup: Lookup,
    done: BTreeMap<ItemId, Flat>,
    path: Vec<ItemId>,
    fault: Option<FlattenFault>,
}

impl<'a, Lookup: Fn(ItemId) -> Part<'a>> Flattener<'a, Lookup> {
    /// `lookup` tells what an item is.
    pub fn new(lookup: Lookup) -> Self {
        Self {
            lookup,
            done: BTreeMap::new(),
            path: Vec::new(),
            fault: None,
        }
    }

    /// The first fault met so far.
    #[must_use]
    pub fn fault(&self) -> Option<FlattenFault> {
        self.fault
    }

    /// The flat form of the bundle of `item` that is made of `components`.
    pub fn flatten(&mut self, item: ItemId, components: &[Component]) -> Flat {
        if let Some(flat) = self.done.get(&item) {
            return flat.clone();
        }
        self.path.push(item);
        let mut flat = Flat::default();
        for component in components {
            self.add(&mut flat, *component);
        }
        self.path.pop();
        flat.depth += 1;
        self.check(&flat);
        self.done.insert(item, flat.clone());
        flat
    }

    fn add(&mut self, flat: &mut Flat, component: Component) {
        match (self.lookup)(component.item) {
            Part::Leaf => flat.add_leaf(component),
            Part::Known(child) => flat.add_child(component, child),
            Part::Recipe(_) if self.path.contains(&component.item) => {
                self.note(FlattenFault::Cycle);
                flat.add_leaf(component);
            }
            Part::Recipe(_) if self.path.len() >= DEPTH_MAX => {
                self.note(FlattenFault::TooDeep);
                flat.add_leaf(component);
            }
            Part::Recipe(components) => {
                let child = self.flatten(component.item, components);
                flat.add_child(component, &child);
            }
        }
    }

    fn check(&mut self, flat: &Flat) {
        if flat.depth > DEPTH_MAX {
            self.note(FlattenFault::TooDeep);
        }
        let count = flat.needs.len();
        if count > LEAVES_MAX {
            self.note(FlattenFault::TooManyLeaves { count });
        }
        if let Some((leaf, _need)) = flat.needs.iter().find(|(_leaf, need)| **need > NEED_MAX) {
            self.note(FlattenFault::NeedTooLarge { leaf: *leaf });
        }
    }

    fn note(&mut self, fault: FlattenFault) {
        self.fault.get_or_insert(fault);
    }
}

impl Flat {
    fn add_leaf(&mut self, component: Component) {
        add_units(&mut self.needs, component.item, component.quantity);
        if !component.optional {
            add_units(&mut self.limiting, component.item, component.quantity);
        }
    }

    fn add_child(&mut self, component: Component, child: &Self) {
        add_scaled(&mut self.needs, &child.needs, component.quantity);
        if !component.optional {
            add_scaled(&mut self.limiting, &child.limiting, component.quantity);
        }
        self.depth = self.depth.max(child.depth);
    }
}

fn add_scaled(needs: &mut BTreeMap<ItemId, i64>, child: &BTreeMap<ItemId, i64>, quantity: i64) {
    for (leaf, need) in child {
        add_units(needs, *leaf, need.saturating_mul(quantity));
    }
}

fn add_units(needs: &mut BTreeMap<ItemId, i64>, leaf: ItemId, units: i64) {
    let need = needs.entry(leaf).or_default();
    *need = need.saturating_add(units);
}
