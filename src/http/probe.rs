//! The doors' parsers, to be tried without a server: fuzz targets and tests drive the very functions that the doors use.

use crate::clock::Timestamp;
use crate::http::admin::keepers::KeepersQuery;
use crate::http::availability::{AvailabilityQuery, parse_items};
use crate::http::bundle_documents::BundleBody;
use crate::http::bundles::{check_draft, page_after};
use crate::http::error::ApiError;
use crate::http::extract::{PageQuery, parse_json, parse_query};
use crate::ids::BundleId;

/// Reads the body of a bundle as a merchant sends it, and checks all that can be checked without the store.
///
/// # Errors
/// What the merchant would be answered.
pub fn bundle(raw: &[u8]) -> Result<(), ApiError> {
    let body: BundleBody = parse_json(raw)?;
    check_draft(&body.into_draft(BundleId(uuid::Uuid::nil()), false, Timestamp::EPOCH))
}

/// Reads the query of a list of bundles, its cursor included.
///
/// # Errors
/// What the merchant would be answered.
pub fn bundle_list(query: &str) -> Result<(), ApiError> {
    page_after(&parse_query::<PageQuery>(query)?).map(drop)
}

/// Reads the query of a list of keepers, its cursor included.
///
/// # Errors
/// What the operator would be answered.
pub fn keeper_list(query: &str) -> Result<(), ApiError> {
    parse_query::<KeepersQuery>(query)?.parse().map(drop)
}

/// Reads a storefront's question; tells how many items it names, 1 to 100.
///
/// # Errors
/// What the storefront would be answered.
pub fn availability(query: &str) -> Result<usize, ApiError> {
    let query: AvailabilityQuery = parse_query(query)?;
    parse_items(&query.items).map(|items| items.len())
}
