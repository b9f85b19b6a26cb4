//! What readers see of a store, renewed after each commit. Readers never wait for a keeper (D11).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::domain::store::attention::Attention;
use crate::domain::store::state::StoreState;
use crate::domain::store::{BundleView, LeafView, StorePolicy};
use crate::ids::{ItemId, LocationId, StoreId};

/// A commit that touches a few items copies only their shelves; readers of the old board keep theirs.
const SHELVES: usize = 64;

type Shelf = BTreeMap<ItemId, LeafView>;

/// What readers see of a store: immutable, as of one commit.
#[derive(Clone, Debug)]
pub struct Board {
    pub store: StoreId,
    /// When it was made.
    pub at: Timestamp,
    shelves: Vec<Arc<Shelf>>,
    bundles: Arc<BTreeMap<ItemId, BundleView>>,
    locations: Arc<Vec<LocationId>>,
    policy: Arc<StorePolicy>,
    attention: Arc<Attention>,
}

impl Board {
    /// The whole board of a store that has just been loaded.
    pub(super) fn draw(store: StoreId, state: &StoreState, at: Timestamp) -> Self {
        let mut board = Self {
            store,
            at,
            shelves: (0..SHELVES).map(|_| Arc::new(Shelf::new())).collect(),
            bundles: Arc::new(BTreeMap::new()),
            locations: Arc::new(Vec::new()),
            policy: Arc::default(),
            attention: Arc::default(),
        };
        board.renew_bundles(state);
        board.renew_items(state, state.leaves().map(|leaf| leaf.item), at);
        board
    }

    /// Renews what a commit touched.
    pub(super) fn renew_items(
        &mut self,
        state: &StoreState,
        items: impl IntoIterator<Item = ItemId>,
        at: Timestamp,
    ) {
        self.at = at;
        for item in items {
            let Some(shelf) = self.shelves.get_mut(shelf_of(item)) else {
                continue;
            };
            match state.leaf(item) {
                Some(leaf) => Arc::make_mut(shelf).insert(item, leaf),
                None => Arc::make_mut(shelf).remove(&item),
            };
        }
        let locations = state.active_locations();
        if *self.locations != locations {
            self.locations = Arc::new(locations);
        }
        let attention = state.attention(at);
        if *self.attention != attention {
            self.attention = Arc::new(attention);
        }
        if *self.policy != *state.policy() {
            self.policy = Arc::new(state.policy().clone());
        }
    }

    /// Renews all bundles: for when one changed.
    pub(super) fn renew_bundles(&mut self, state: &StoreState) {
        let views = state
            .bundle_views()
            .into_iter()
            .map(|view| (view.bundle.item, view));
        self.bundles = Arc::new(views.collect());
    }

    /// An item's own levels and settings, if the store knows of it.
    #[must_use]
    pub fn leaf(&self, item: ItemId) -> Option<&LeafView> {
        self.shelves
            .get(shelf_of(item))
            .and_then(|shelf| shelf.get(&item))
    }

    /// The live bundle that is sold as this item.
    #[must_use]
    pub fn bundle(&self, item: ItemId) -> Option<&BundleView> {
        self.bundles.get(&item)
    }

    /// The live bundles, ascending by item.
    pub fn bundles(&self) -> impl Iterator<Item = &BundleView> {
        self.bundles.values()
    }

    /// What the merchant decided for the whole store.
    #[must_use]
    pub fn policy(&self) -> &StorePolicy {
        &self.policy
    }

    /// What the merchant should look at.
    #[must_use]
    pub fn attention(&self) -> &Attention {
        &self.attention
    }

    /// Levels of which more was sold than there is, with how much is lacking.
    pub fn oversold(&self) -> impl Iterator<Item = (ItemId, LocationId, i64)> + '_ {
        let leaves = self.shelves.iter().flat_map(|shelf| shelf.values());
        let limiting = leaves.filter(|leaf| !leaf.unlimited);
        limiting.flat_map(|leaf| {
            leaf.levels.iter().filter_map(|(location, level)| {
                let lacking = level.filter(|units| *units < 0)?.saturating_neg();
                Some((leaf.item, *location, lacking))
            })
        })
    }

    /// Active locations, ascending.
    #[must_use]
    pub fn active_locations(&self) -> &[LocationId] {
        &self.locations
    }
}

fn shelf_of(item: ItemId) -> usize {
    usize::try_from(item.0.unsigned_abs() % 64).unwrap_or(0)
}
