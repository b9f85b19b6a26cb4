//! All bundles of a store, with indices that answer a webhook without a scan.
//!
//! Invariant: `flats` has exactly the live bundles, flattened by the recipes in force until further notice, and
//! `parents` is its inverse. [`BundleBook::put`] restores this for the bundle and for all bundles that contain it.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::domain::bundle::flatten::{Flat, Flattener, Part};
use crate::domain::bundle::{Bundle, Recipe};
use crate::ids::{BundleId, ItemId, ProductId, VariantId};

type BundlesBy<Key> = BTreeMap<Key, BTreeSet<BundleId>>;

/// What a variant was as a bundle when it was sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoldBundle {
    pub bundle: BundleId,
    /// Units of each leaf in one bundle, by the recipes in force then.
    pub needs: BTreeMap<ItemId, i64>,
}

/// All bundles of a store, deleted ones too.
#[derive(Clone, Debug, Default)]
pub struct BundleBook {
    bundles: BTreeMap<BundleId, Bundle>,
    live_by_item: BTreeMap<ItemId, BundleId>,
    ever_by_item: BundlesBy<ItemId>,
    ever_by_variant: BundlesBy<VariantId>,
    /// Live bundles whose current recipe names the item itself.
    direct_parents: BundlesBy<ItemId>,
    flats: BTreeMap<BundleId, Flat>,
    /// Live bundles whose current recipe, flattened, has the leaf.
    parents: BundlesBy<ItemId>,
}

impl BundleBook {
    /// A book of these bundles; of two with the same id the later wins.
    #[must_use]
    pub fn new(bundles: Vec<Bundle>) -> Self {
        let mut book = Self::default();
        for bundle in bundles {
            book.remove(bundle.id);
            book.insert(bundle);
        }
        let all = book.bundles.keys().copied().collect();
        book.reflatten(&all);
        book
    }

    /// Adds a bundle or replaces the one of the same id. Does not validate.
    pub fn put(&mut self, bundle: Bundle) {
        let (id, item) = (bundle.id, bundle.item);
        let mut touched = BTreeSet::from([id]);
        if let Some(old) = self.remove(id) {
            self.collect_ancestors(old.item, &mut touched);
        }
        self.insert(bundle);
        self.collect_ancestors(item, &mut touched);
        self.reflatten(&touched);
    }

    /// A bundle, deleted or not.
    #[must_use]
    pub fn get(&self, id: BundleId) -> Option<&Bundle> {
        self.bundles.get(&id)
    }

    /// Every bundle that is not deleted, ascending by id.
    pub fn live(&self) -> impl Iterator<Item = &Bundle> {
        self.bundles.values().filter(|bundle| !bundle.deleted)
    }

    /// Every bundle, deleted or not, ascending by id.
    pub fn all(&self) -> impl Iterator<Item = &Bundle> {
        self.bundles.values()
    }

    /// The live bundle that this item is.
    #[must_use]
    pub fn by_item(&self, item: ItemId) -> Option<&Bundle> {
        self.live_by_item
            .get(&item)
            .and_then(|id| self.bundles.get(id))
    }

    /// The bundle that this variant was at `at`, deleted since or not, with the recipe that was in force then.
    #[must_use]
    pub fn of_variant_at(&self, variant: VariantId, at: Timestamp) -> Option<(&Bundle, &Recipe)> {
        in_force(&self.bundles, self.ever_by_variant.get(&variant)?, at)
    }

    /// What a sale of this variant at `at` consumes; `None` when it was no bundle then.
    #[must_use]
    pub fn recipe_for(&self, variant: VariantId, at: Timestamp) -> Option<SoldBundle> {
        let (bundle, _) = self.of_variant_at(variant, at)?;
        Some(SoldBundle {
            bundle: bundle.id,
            needs: self.needs_at(bundle.id, at),
        })
    }

    /// Whether the variant is or ever was a bundle.
    #[must_use]
    pub fn ever_sold(&self, variant: VariantId) -> bool {
        self.ever_by_variant.contains_key(&variant)
    }

    /// Whether there never was a bundle.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bundles.is_empty()
    }

    /// When the first recipe of all came into force; `None` when there never was one.
    #[must_use]
    pub fn in_force_since(&self) -> Option<Timestamp> {
        let recipes = self.bundles.values().flat_map(|bundle| &bundle.recipes);
        recipes.map(|recipe| recipe.effective_from).min()
    }

    /// Whether a recipe came into force, or went out of it, from `from` to `to`, both included.
    #[must_use]
    pub fn changed_within(&self, from: Timestamp, to: Timestamp) -> bool {
        let within = |at: Timestamp| from <= at && at <= to;
        let mut recipes = self.bundles.values().flat_map(|bundle| &bundle.recipes);
        recipes
            .any(|recipe| within(recipe.effective_from) || recipe.effective_to.is_some_and(within))
    }

    /// Every live bundle that contains this leaf, at any depth, ascending by id.
    pub fn parents_of(&self, leaf: ItemId) -> impl Iterator<Item = BundleId> + '_ {
        self.parents.get(&leaf).into_iter().flatten().copied()
    }

    /// Units of every leaf in one bundle today; none for a deleted bundle.
    #[must_use]
    pub fn needs(&self, id: BundleId) -> Option<&BTreeMap<ItemId, i64>> {
        self.flats.get(&id).map(|flat| &flat.needs)
    }

    /// The part of [`needs`](Self::needs) that limits how many bundles there are: optional components do not, and a
    /// leaf that is also required elsewhere in the bundle limits with the required units only.
    #[must_use]
    pub fn limiting_needs(&self, id: BundleId) -> Option<&BTreeMap<ItemId, i64>> {
        self.flats.get(&id).map(|flat| &flat.limiting)
    }

    /// Units of every leaf in one bundle by the recipes in force at `at`, nested ones too. Empty when none was.
    #[must_use]
    pub fn needs_at(&self, id: BundleId, at: Timestamp) -> BTreeMap<ItemId, i64> {
        let Some(bundle) = self.bundles.get(&id) else {
            return BTreeMap::new();
        };
        let Some(recipe) = bundle.recipe_at(at) else {
            return BTreeMap::new();
        };
        let lookup = |item| {
            let then = self
                .ever_by_item
                .get(&item)
                .and_then(|ids| in_force(&self.bundles, ids, at));
            then.map_or(Part::Leaf, |(_, recipe)| Part::Recipe(&recipe.components))
        };
        Flattener::new(lookup)
            .flatten(bundle.item, &recipe.components)
            .needs
    }

    /// What every bundle and every component of every recipe is called on the platform, repeatedly where shared.
    pub fn components_ever(&self) -> impl Iterator<Item = (ItemId, VariantId, ProductId)> + '_ {
        self.bundles.values().flat_map(|bundle| {
            let components = bundle.recipes.iter().flat_map(|recipe| &recipe.components);
            std::iter::once((bundle.item, bundle.variant, bundle.product)).chain(
                components.map(|component| (component.item, component.variant, component.product)),
            )
        })
    }

    /// How many levels of bundles a bundle has, itself included; none for a deleted bundle.
    #[must_use]
    pub fn depth(&self, id: BundleId) -> Option<usize> {
        self.flats.get(&id).map(|flat| flat.depth)
    }

    pub(super) fn flat(&self, id: BundleId) -> Option<&Flat> {
        self.flats.get(&id)
    }

    /// Adds every live bundle to `found` that has `item` in its current recipe, at any depth; does not look above
    /// what `found` has already.
    pub(super) fn collect_ancestors(&self, item: ItemId, found: &mut BTreeSet<BundleId>) {
        let mut open = vec![item];
        while let Some(item) = open.pop() {
            for parent in self.direct_parents.get(&item).into_iter().flatten() {
                if found.insert(*parent) {
                    open.extend(self.bundles.get(parent).map(|bundle| bundle.item));
                }
            }
        }
    }

    fn insert(&mut self, bundle: Bundle) {
        self.ever_by_item
            .entry(bundle.item)
            .or_default()
            .insert(bundle.id);
        self.ever_by_variant
            .entry(bundle.variant)
            .or_default()
            .insert(bundle.id);
        if !bundle.deleted {
            self.live_by_item.insert(bundle.item, bundle.id);
        }
        for component in bundle
            .current_recipe()
            .into_iter()
            .flat_map(|recipe| &recipe.components)
        {
            self.direct_parents
                .entry(component.item)
                .or_default()
                .insert(bundle.id);
        }
        self.bundles.insert(bundle.id, bundle);
    }

    fn remove(&mut self, id: BundleId) -> Option<Bundle> {
        let bundle = self.bundles.remove(&id)?;
        forget(&mut self.ever_by_item, &bundle.item, id);
        forget(&mut self.ever_by_variant, &bundle.variant, id);
        if self.live_by_item.get(&bundle.item) == Some(&id) {
            self.live_by_item.remove(&bundle.item);
        }
        for component in bundle
            .current_recipe()
            .into_iter()
            .flat_map(|recipe| &recipe.components)
        {
            forget(&mut self.direct_parents, &component.item, id);
        }
        Some(bundle)
    }

    fn reflatten(&mut self, touched: &BTreeSet<BundleId>) {
        let fresh = self.flatten_all(touched);
        for id in touched {
            for leaf in self
                .flats
                .remove(id)
                .into_iter()
                .flat_map(|flat| flat.needs.into_keys())
            {
                forget(&mut self.parents, &leaf, *id);
            }
        }
        for (id, flat) in fresh {
            for leaf in flat.needs.keys() {
                self.parents.entry(*leaf).or_default().insert(id);
            }
            self.flats.insert(id, flat);
        }
    }

    fn flatten_all(&self, touched: &BTreeSet<BundleId>) -> Vec<(BundleId, Flat)> {
        let lookup = |item| match self.by_item(item) {
            None => Part::Leaf,
            Some(bundle) => match self.flats.get(&bundle.id) {
                Some(flat) if !touched.contains(&bundle.id) => Part::Known(flat),
                Some(_) | None => bundle
                    .current_recipe()
                    .map_or(Part::Leaf, |recipe| Part::Recipe(&recipe.components)),
            },
        };
        let mut flattener = Flattener::new(lookup);
        let live = touched
            .iter()
            .filter_map(|id| self.bundles.get(id))
            .filter(|bundle| !bundle.deleted);
        live.filter_map(|bundle| {
            let recipe = bundle.current_recipe()?;
            Some((
                bundle.id,
                flattener.flatten(bundle.item, &recipe.components),
            ))
        })
        .collect()
    }
}

/// Of these bundles, the one with a recipe in force at `at`. Validation keeps it to one; if clocks have moved and
/// there are several, the newest recipe counts.
fn in_force<'a>(
    bundles: &'a BTreeMap<BundleId, Bundle>,
    ids: &BTreeSet<BundleId>,
    at: Timestamp,
) -> Option<(&'a Bundle, &'a Recipe)> {
    ids.iter()
        .filter_map(|id| bundles.get(id))
        .filter_map(|bundle| bundle.recipe_at(at).map(|recipe| (bundle, recipe)))
        .max_by_key(|(_, recipe)| recipe.effective_from)
}

fn forget<Key: Ord>(index: &mut BundlesBy<Key>, key: &Key, id: BundleId) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}
