//! Defining and deleting bundles.
//!
//! A recipe is in force from the platform's present second on; orders made before keep the recipe of their time.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::domain::bundle::{Bundle, Component, Recipe, validate};
use crate::domain::store::change::Change;
use crate::domain::store::command::{BundleDraft, DraftComponent};
use crate::domain::store::outcome::{Outcome, Refusal, Reply};
use crate::domain::store::state::StoreState;
use crate::ids::{BundleId, ItemId, ProductId, VariantId};

/// How many items are remembered to have been looked up.
const CHECKED_MAX: usize = 10_000;
/// For how long: no request to define a bundle waits longer, milliseconds.
const CHECKED_FOR_MS: i64 = 60_000;

impl StoreState {
    /// Defines a bundle, or gives it a new recipe. Items that are not known yet are looked up on the platform first.
    pub(super) fn put_bundle(
        &mut self,
        draft: &BundleDraft,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        self.check_existence(draft)?;
        if self.look_up_items(draft) {
            outcome.reply = Reply::Waiting;
            return Ok(());
        }
        let bundle = self.candidate(outcome.at, draft)?;
        validate(&self.bundles, &bundle)?;
        self.locations.need();
        self.keep_bundle(bundle, outcome);
        Ok(())
    }

    /// Deletes a bundle: it sells no more. Its recipes stay for the orders that were made under them.
    pub(super) fn delete_bundle(
        &mut self,
        id: BundleId,
        seen: Option<&Bundle>,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        let mut bundle = self.bundle_as_seen(id, seen)?.clone();
        bundle.deleted = true;
        end_recipes(&mut bundle.recipes, self.platform_now(outcome.at));
        self.keep_bundle(bundle, outcome);
        Ok(())
    }

    fn check_existence(&self, draft: &BundleDraft) -> Result<(), Refusal> {
        if draft.replaces {
            return self
                .bundle_as_seen(draft.id, draft.seen.as_deref())
                .map(drop);
        }
        match self.bundles.get(draft.id) {
            Some(_) => Err(Refusal::BundleExists(draft.id)),
            None => Ok(()),
        }
    }

    /// The bundle, unless it is another than its author saw.
    fn bundle_as_seen(&self, id: BundleId, seen: Option<&Bundle>) -> Result<&Bundle, Refusal> {
        let bundle = self.bundles.get(id).filter(|bundle| !bundle.deleted);
        let bundle = bundle.ok_or(Refusal::UnknownBundle(id))?;
        if seen.is_some_and(|seen| seen != bundle) {
            return Err(Refusal::BundleChanged(id));
        }
        Ok(bundle)
    }

    /// An item was looked up. What nobody can still wait for is forgotten.
    pub(super) fn note_checked(&mut self, item: ItemId, now: Timestamp) {
        self.items_checked.insert(item, now);
        if self.items_checked.len() > CHECKED_MAX {
            self.items_checked
                .retain(|_, at| now.millis_since(*at) < CHECKED_FOR_MS);
        }
        if self.items_checked.len() > CHECKED_MAX {
            // Whoever still waits has them looked up once more.
            self.items_checked = BTreeMap::from([(item, now)]);
        }
    }

    /// Whether items must be looked up first; asks for that.
    fn look_up_items(&mut self, draft: &BundleDraft) -> bool {
        let items = draft
            .components
            .iter()
            .map(|component| component.item)
            .chain([draft.item]);
        let unknown = items.filter(|item| {
            let known = self.stock.item(*item).is_some_and(|record| !record.gone);
            let checked = self
                .items_checked
                .get(item)
                .is_some_and(|at| *at >= draft.arrived_at);
            !known && !checked
        });
        let unknown = unknown.collect::<Vec<_>>();
        let any = !unknown.is_empty();
        self.items_wanted.extend(unknown);
        any
    }

    fn candidate(&self, now: Timestamp, draft: &BundleDraft) -> Result<Bundle, Refusal> {
        let (variant, product) = self.resolve(draft.item)?;
        let components = draft
            .components
            .iter()
            .map(|component| self.component(*component));
        let components = components.collect::<Result<Vec<_>, _>>()?;
        let mut recipes = self
            .bundles
            .get(draft.id)
            .map(|bundle| bundle.recipes.clone())
            .unwrap_or_default();
        let unchanged = recipes
            .last()
            .is_some_and(|recipe| recipe.components == components);
        if !unchanged {
            let effective_from = self.platform_now(now);
            end_recipes(&mut recipes, effective_from);
            recipes.push(Recipe {
                effective_from,
                effective_to: None,
                components,
            });
        }
        Ok(Bundle {
            id: draft.id,
            title: draft.title.clone(),
            item: draft.item,
            variant,
            product,
            mode: draft.mode,
            cap: draft.cap,
            recipes,
            deleted: false,
        })
    }

    fn component(&self, draft: DraftComponent) -> Result<Component, Refusal> {
        let (variant, product) = self.resolve(draft.item)?;
        Ok(Component {
            item: draft.item,
            variant,
            product,
            quantity: draft.quantity,
            optional: draft.optional,
        })
    }

    fn resolve(&self, item: ItemId) -> Result<(VariantId, ProductId), Refusal> {
        let record = self
            .stock
            .item(item)
            .filter(|record| !record.gone)
            .ok_or(Refusal::UnknownItem(item))?;
        if record.composite {
            return Err(Refusal::NativeBundle(item));
        }
        record
            .variant
            .zip(record.product)
            .ok_or(Refusal::UnknownItem(item))
    }

    /// Keeps the bundle; its levels and those of all it is made of are read fresh.
    fn keep_bundle(&mut self, bundle: Bundle, outcome: &mut Outcome) {
        let (id, item) = (bundle.id, bundle.item);
        let mut touched = self.bundles.needs(id).cloned().unwrap_or_default();
        outcome.interest_changed = true;
        let named: BTreeSet<ItemId> = self
            .bundles
            .components_ever()
            .map(|(item, _, _)| item)
            .collect();
        outcome.reply = Reply::Bundle(Box::new(bundle.clone()));
        outcome.changes.put(Change::PutBundle(bundle.clone()));
        self.bundles.put(bundle);
        touched.extend(self.bundles.needs(id).cloned().unwrap_or_default());
        touched.insert(item, 1);
        for item in touched.into_keys() {
            // Until now its webhooks were naked: what was looked up may be out of date.
            if !named.contains(&item) {
                self.items_wanted.insert(item);
            }
            self.stock
                .mark_unread(item, Timestamp::EPOCH, &mut outcome.changes);
            self.stock.mark_unusable(item, false, &mut outcome.changes);
            self.dirty.mark_item(item);
            outcome.touched_items.push(item);
        }
        self.dirty.mark_bundle(id);
    }
}

/// Ends the recipe in force; one that would have been in force for no time goes.
fn end_recipes(recipes: &mut Vec<Recipe>, at: Timestamp) {
    for recipe in recipes
        .iter_mut()
        .filter(|recipe| recipe.effective_to.is_none())
    {
        recipe.effective_to = Some(at);
    }
    recipes.retain(|recipe| {
        recipe
            .effective_to
            .is_none_or(|to| recipe.effective_from < to)
    });
}
