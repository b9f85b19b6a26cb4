//! `/v1/stores/{store}/policy`: what a merchant decides for the whole store.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use crate::domain::bundle::SafetyStock;
use crate::domain::store::command::Command;
use crate::domain::store::{ConsumeOn, StorePolicy};
use crate::http::bundles::board_of;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{Behind, Merchant, OnlyObject, StorePath, StrictJson, WireItem};
use crate::http::replies::{Tagged, command_problem};
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::keeper::Envelope;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(
        resource("/v1/stores/{store}/policy")
            .route(web::get().to(get_policy))
            .route(web::put().to(replace_policy)),
    );
}

/// A store's policy. What is left out is as if the merchant had decided nothing.
#[derive(Debug, Default, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PolicyDocument {
    consume_on: WireConsumeOn,
    #[schema(value_type = SafetyStockDocument)]
    safety_stock: OnlyObject<SafetyStockDocument>,
}

/// When an order takes the components of the bundles in it. An order keeps the rule that held when it was first told of.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WireConsumeOn {
    /// When it is made.
    #[default]
    Created,
    /// When it is paid in full.
    Paid,
}

/// Units of components that bundles are not made of, at each location.
#[derive(Debug, Default, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SafetyStockDocument {
    /// Of every component that is not named; 0 to 1,000,000,000.
    usual: i64,
    /// At most 5,000, each item once.
    #[schema(value_type = Vec<ItemSafetyStock>)]
    items: Vec<OnlyObject<ItemSafetyStock>>,
}

/// A component with a safety stock of its own.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemSafetyStock {
    #[schema(value_type = String)]
    item: WireItem,
    /// 0 to 1,000,000,000.
    units: i64,
}

/// The store's policy.
#[utoipa::path(get, path = "/v1/stores/{store}/policy", tag = "merchant", params(("store" = String, Path)),
    responses((status = 200, description = "The policy, with its `ETag`", body = PolicyDocument),
        (status = 304, description = "As `If-None-Match` has it"), (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 503, description = "`keeper_unavailable`, with `Retry-After`")))]
pub(crate) async fn get_policy(
    state: web::Data<AppState>,
    Behind(merchant, _path): Behind<Merchant, StorePath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let board = board_of(&state, merchant.store).await?;
    Ok(Tagged::of(&PolicyDocument::of(board.policy()))?.respond(&request))
}

/// Decide anew. Bundles are computed under it at once; orders that were told of before keep when they consume.
#[utoipa::path(put, path = "/v1/stores/{store}/policy", tag = "merchant", request_body = PolicyDocument,
    params(("store" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, description = "Decided", body = PolicyDocument),
        (status = 400, description = "`malformed_json`, `malformed_path`, `empty_body`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 412, description = "`revision_mismatch`"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"), (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`invalid_field`"),
        (status = 503, description = "`store_busy`, `outcome_unknown`, `keeper_unavailable`, `safe_mode`, with `Retry-After`")))]
pub(crate) async fn replace_policy(
    state: web::Data<AppState>,
    body: StrictJson<Merchant, PolicyDocument>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let merchant = body.who;
    let policy = body.value.into_policy()?;
    let board = board_of(&state, merchant.store).await?;
    let seen = board.policy().clone();
    let tagged = Tagged::of(&PolicyDocument::of(&seen))?;
    let seen = tagged.named_by(&request)?.then(|| Box::new(seen));
    let decided = Tagged::of(&PolicyDocument::of(&policy))?;
    let envelope = Envelope::plain(Command::PutPolicy {
        policy: Box::new(policy),
        seen,
    });
    let answered = state.directory.command(merchant.store, envelope).await;
    answered.map_err(|error| command_problem(&error, state.clock()))?;
    Ok(decided.with_status(actix_web::http::StatusCode::OK))
}

impl PolicyDocument {
    fn of(policy: &StorePolicy) -> Self {
        let entry = |(item, units): (&_, &i64)| {
            OnlyObject(ItemSafetyStock {
                item: WireItem(*item),
                units: *units,
            })
        };
        Self {
            consume_on: match policy.consume_on {
                ConsumeOn::Created => WireConsumeOn::Created,
                ConsumeOn::Paid => WireConsumeOn::Paid,
            },
            safety_stock: OnlyObject(SafetyStockDocument {
                usual: policy.safety_stock.usual,
                items: policy.safety_stock.items.iter().map(entry).collect(),
            }),
        }
    }

    fn into_policy(self) -> Result<StorePolicy, ApiError> {
        let OnlyObject(told) = self.safety_stock;
        let mut items = BTreeMap::new();
        for OnlyObject(ItemSafetyStock { item, units }) in told.items {
            if items.insert(item.0, units).is_some() {
                let twice = format!("`safety_stock.items` names item {} twice", item.0);
                return Err(ApiError::new(Problem::InvalidField, twice));
            }
        }
        let safety_stock = SafetyStock {
            usual: told.usual,
            items,
        };
        safety_stock
            .check()
            .map_err(|refusal| ApiError::new(Problem::InvalidField, refusal.to_string()))?;
        Ok(StorePolicy {
            consume_on: match self.consume_on {
                WireConsumeOn::Created => ConsumeOn::Created,
                WireConsumeOn::Paid => ConsumeOn::Paid,
            },
            safety_stock,
        })
    }
}
