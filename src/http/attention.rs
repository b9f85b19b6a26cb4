//! `/v1/stores/{store}/attention`: what a merchant should look at.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use crate::domain::store::attention::Contested;
use crate::http::bundles::board_of;
use crate::http::error::ApiError;
use crate::http::extract::{Behind, Merchant, StorePath};
use crate::http::replies::Tagged;
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::keeper::Board;

/// How many oversold levels are named.
const OVERSOLD_MAX: usize = 250;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/v1/stores/{store}/attention").route(web::get().to(get_attention)));
}

/// What a merchant should look at: the keeper does its work, but nobody else will mend this.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AttentionDocument {
    /// More was sold than there is; at most 250.
    oversold: Vec<OversoldLevel>,
    /// Levels of bundles that somebody else keeps changing back; at most 100.
    contested: Vec<ContestedLevel>,
    /// Orders that were cancelled without giving back what they took: give it back by hand if the goods are there. The
    /// last hundred.
    cancelled_without_restock: Vec<String>,
    /// The instant of the numbers.
    at: String,
}

/// A level below zero of an item that does not sell on when it is out.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OversoldLevel {
    item: String,
    location: String,
    /// So many are lacking, at least 1.
    units: i64,
}

/// A level that is left alone for a while.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ContestedLevel {
    item: String,
    location: String,
    /// It is written again then.
    until: String,
}

/// What the merchant should look at.
#[utoipa::path(get, path = "/v1/stores/{store}/attention", tag = "merchant", params(("store" = String, Path)),
    responses((status = 200, description = "Empty lists when there is nothing", body = AttentionDocument),
        (status = 304, description = "As `If-None-Match` has it"), (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 503, description = "`keeper_unavailable`, with `Retry-After`")))]
pub(crate) async fn get_attention(
    state: web::Data<AppState>,
    Behind(merchant, _path): Behind<Merchant, StorePath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let board = board_of(&state, merchant.store).await?;
    Ok(Tagged::of(&AttentionDocument::of(&board))?.respond(&request))
}

impl AttentionDocument {
    fn of(board: &Board) -> Self {
        let attention = board.attention();
        let oversold = board.oversold().take(OVERSOLD_MAX);
        Self {
            oversold: oversold
                .map(|(item, location, units)| OversoldLevel {
                    item: item.to_string(),
                    location: location.to_string(),
                    units,
                })
                .collect(),
            contested: attention.contested.iter().map(ContestedLevel::of).collect(),
            cancelled_without_restock: attention
                .unrestocked
                .iter()
                .map(ToString::to_string)
                .collect(),
            at: board.at.to_rfc3339(),
        }
    }
}

impl ContestedLevel {
    fn of(contested: &Contested) -> Self {
        Self {
            item: contested.item.to_string(),
            location: contested.location.to_string(),
            until: contested.until.to_rfc3339(),
        }
    }
}
