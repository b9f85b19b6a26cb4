//! What may be saved as a bundle.

use std::collections::BTreeSet;

use crate::domain::bundle::flatten::{
    DEPTH_MAX, FlattenFault, Flattener, LEAVES_MAX, NEED_MAX, Part,
};
use crate::domain::bundle::{Bundle, BundleBook, Component};
use crate::ids::{BundleId, ItemId};

/// The most components a recipe names itself.
pub const COMPONENTS_MAX: usize = 100;
/// The most units of one component in one bundle: the platform's bound for its own bundles.
pub const QUANTITY_MAX: i64 = 2_000;
/// The most characters of a title: the platform's bound for its products.
pub const TITLE_CHARS_MAX: usize = 255;
/// The largest cap: the platform's bound for a level.
pub const CAP_MAX: i64 = NEED_MAX;

/// Why a bundle is not saved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleRefusal {
    #[error("the title has {chars} characters; a bundle needs 1 to {TITLE_CHARS_MAX}")]
    TitleLength { chars: usize },
    #[error("the cap is {cap}; it must be from 0 to {CAP_MAX}")]
    CapOutOfRange { cap: i64 },
    #[error("the bundle of item {item} has no components; name at least one")]
    NoComponents { item: ItemId },
    #[error("the bundle of item {item} has {count} components; it may have {COMPONENTS_MAX}")]
    TooManyComponents { item: ItemId, count: usize },
    #[error("the quantity of item {item} must be from 1 to {QUANTITY_MAX}")]
    QuantityOutOfRange { item: ItemId },
    #[error("item {item} is named more than once; name it once with the whole quantity")]
    DuplicateComponent { item: ItemId },
    #[error("item {item} is the bundle itself")]
    SelfComponent { item: ItemId },
    #[error("item {item} is already the item of bundle {bundle}")]
    ItemTaken { item: ItemId, bundle: BundleId },
    #[error("the bundle would contain itself through item {item}")]
    Cycle { item: ItemId },
    #[error(
        "the bundle of item {item} would nest more than {DEPTH_MAX} levels deep; name what its components are made of"
    )]
    TooDeep { item: ItemId },
    #[error("one bundle of item {item} would need more than {NEED_MAX} units of item {leaf}")]
    NeedTooLarge { item: ItemId, leaf: ItemId },
    #[error(
        "one bundle of item {item} would consist of {count} different items; it may be {LEAVES_MAX}"
    )]
    TooManyLeaves { item: ItemId, count: usize },
}

impl BundleRefusal {
    /// Its stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TitleLength { .. } => "title_length",
            Self::CapOutOfRange { .. } => "cap_out_of_range",
            Self::NoComponents { .. } => "no_components",
            Self::TooManyComponents { .. } => "too_many_components",
            Self::QuantityOutOfRange { .. } => "quantity_out_of_range",
            Self::DuplicateComponent { .. } => "duplicate_component",
            Self::SelfComponent { .. } => "self_component",
            Self::ItemTaken { .. } => "item_taken",
            Self::Cycle { .. } => "component_cycle",
            Self::TooDeep { .. } => "nested_too_deep",
            Self::NeedTooLarge { .. } => "need_too_large",
            Self::TooManyLeaves { .. } => "too_many_leaves",
        }
    }
}

/// Whether `candidate`, live, may be put into the book, as a new bundle or in place of the one of the same id. Looks
/// at its current recipe and at every bundle that would contain it.
///
/// # Errors
/// The first reason against it.
pub fn validate(book: &BundleBook, candidate: &Bundle) -> Result<(), BundleRefusal> {
    let components = candidate
        .current_recipe()
        .map_or(&[][..], |recipe| &recipe.components);
    validate_alone(candidate, components)?;
    validate_item(book, candidate)?;
    let mut ancestors = BTreeSet::from([candidate.id]);
    book.collect_ancestors(candidate.item, &mut ancestors);
    validate_acyclic(book, candidate, &ancestors, components)?;
    validate_flat(book, candidate, &ancestors)
}

fn validate_alone(candidate: &Bundle, components: &[Component]) -> Result<(), BundleRefusal> {
    let title_chars = candidate.title.chars().count();
    if candidate.title.trim().is_empty() || title_chars > TITLE_CHARS_MAX {
        return Err(BundleRefusal::TitleLength { chars: title_chars });
    }
    if let Some(cap) = candidate.cap.filter(|cap| !(0..=CAP_MAX).contains(cap)) {
        return Err(BundleRefusal::CapOutOfRange { cap });
    }
    let (item, count) = (candidate.item, components.len());
    if count == 0 {
        return Err(BundleRefusal::NoComponents { item });
    }
    if count > COMPONENTS_MAX {
        return Err(BundleRefusal::TooManyComponents { item, count });
    }
    let mut seen = BTreeSet::new();
    components.iter().try_for_each(|component| {
        let item = component.item;
        if !(1..=QUANTITY_MAX).contains(&component.quantity) {
            return Err(BundleRefusal::QuantityOutOfRange { item });
        }
        if item == candidate.item {
            return Err(BundleRefusal::SelfComponent { item });
        }
        if seen.insert(item) {
            Ok(())
        } else {
            Err(BundleRefusal::DuplicateComponent { item })
        }
    })
}

fn validate_item(book: &BundleBook, candidate: &Bundle) -> Result<(), BundleRefusal> {
    let item = candidate.item;
    match book.by_item(item) {
        Some(other) if other.id != candidate.id => Err(BundleRefusal::ItemTaken {
            item,
            bundle: other.id,
        }),
        Some(_) | None => Ok(()),
    }
}

fn validate_acyclic(
    book: &BundleBook,
    candidate: &Bundle,
    ancestors: &BTreeSet<BundleId>,
    components: &[Component],
) -> Result<(), BundleRefusal> {
    let closes_cycle = |item: ItemId| {
        book.by_item(item)
            .is_some_and(|bundle| bundle.id != candidate.id && ancestors.contains(&bundle.id))
    };
    match components
        .iter()
        .find(|component| closes_cycle(component.item))
    {
        Some(component) => Err(BundleRefusal::Cycle {
            item: component.item,
        }),
        None => Ok(()),
    }
}

fn validate_flat(
    book: &BundleBook,
    candidate: &Bundle,
    ancestors: &BTreeSet<BundleId>,
) -> Result<(), BundleRefusal> {
    let lookup = |item| {
        if item == candidate.item {
            return part_of(candidate);
        }
        let other = book
            .by_item(item)
            .filter(|bundle| bundle.id != candidate.id);
        other.map_or(Part::Leaf, |bundle| match book.flat(bundle.id) {
            Some(flat) if !ancestors.contains(&bundle.id) => Part::Known(flat),
            Some(_) | None => part_of(bundle),
        })
    };
    let mut flattener = Flattener::new(lookup);
    let above = ancestors
        .iter()
        .filter(|id| **id != candidate.id)
        .filter_map(|id| book.get(*id));
    for bundle in std::iter::once(candidate).chain(above) {
        if let Some(recipe) = bundle.current_recipe() {
            flattener.flatten(bundle.item, &recipe.components);
        }
        if let Some(fault) = flattener.fault() {
            return Err(refusal_of(fault, bundle.item));
        }
    }
    Ok(())
}

fn part_of(bundle: &Bundle) -> Part<'_> {
    bundle
        .current_recipe()
        .map_or(Part::Leaf, |recipe| Part::Recipe(&recipe.components))
}

fn refusal_of(fault: FlattenFault, item: ItemId) -> BundleRefusal {
    match fault {
        FlattenFault::Cycle => BundleRefusal::Cycle { item },
        FlattenFault::TooDeep => BundleRefusal::TooDeep { item },
        FlattenFault::NeedTooLarge { leaf } => BundleRefusal::NeedTooLarge { item, leaf },
        FlattenFault::TooManyLeaves { count } => BundleRefusal::TooManyLeaves { item, count },
    }
}
