//! Bundles: what they are made of over time, what may be saved, and how their stock follows from their components'.
//!
//! Reading order: the types ([`recipe`]), recipes of recipes boiled down to leaves ([`flatten`]), all bundles of a
//! store with their indices ([`book`]), what is refused on saving ([`mod@validate`]) and the stock formula
//! ([`mod@availability`]). Nothing here knows orders or calls.

pub mod availability;
pub mod book;
pub mod flatten;
pub mod recipe;
pub mod safety_stock;
pub mod validate;

#[cfg(test)]
mod tests;

pub use availability::{Explanation, Stock, Wanted, availability, explain, wanted_levels};
pub use book::{BundleBook, SoldBundle};
pub use recipe::{Bundle, Component, Mode, Recipe};
pub use safety_stock::SafetyStock;
pub use validate::{BundleRefusal, validate};
