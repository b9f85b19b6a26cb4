//! A store's calls towards its platform, at `/admin/keepers/{store}/bucket`.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::pages::to;
use super::session::{Session, SignedInAs};
use crate::http::admin::buckets::{Bucket, Buckets, RecentCall, Waiting, buckets_of};
use crate::http::admin::why::{WhyKeeper, why_of};
use crate::http::error::ApiError;
use crate::http::extract::StorePath;
use crate::http::keeper_row::{KeeperRow, age_text};
use crate::http::openapi::render_page;
use crate::http::routes::resource;
use crate::http::state::AppState;

/// How wide a level is drawn.
const WIDTH: i64 = 1_000;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/admin/keepers/{store}/bucket").route(web::get().to(show_buckets)));
}

#[derive(Template)]
#[template(path = "buckets.html", config = "src/http/askama.toml")]
struct BucketsPage {
    row: KeeperRow,
    why: WhyKeeper,
    shown: Buckets,
    user: SignedInAs,
}

async fn show_buckets(
    state: web::Data<AppState>,
    path: Result<StorePath, ApiError>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Some(session) = Session::of(&state, &request).await else {
        return Ok(to("/admin"));
    };
    let row = state.fleet.row(&state, path?.0).await?;
    render_page(&BucketsPage {
        why: why_of(&state, &row).await?,
        shown: buckets_of(&state, &row).await?,
        user: session.shown(),
        row,
    })
}

/// As people read them.
impl Bucket {
    fn title(&self) -> &'static str {
        match self.name {
            "graphql" => "GraphQL",
            _ => "REST",
        }
    }

    fn unit(&self) -> &'static str {
        unit_of(self.name)
    }

    /// Units that can be spent at once.
    fn left(&self) -> i64 {
        self.usable
            .unwrap_or(self.size)
            .saturating_sub(self.used)
            .max(0)
    }

    /// How far into the drawing so many units reach.
    fn reach(&self, units: i64) -> i64 {
        units
            .saturating_mul(WIDTH)
            .div_euclid(self.size.max(1))
            .clamp(0, WIDTH)
    }

    /// Where the part begins that is held by calls under way.
    fn reach_settled(&self) -> i64 {
        self.reach(self.used.saturating_sub(self.held).max(0))
    }

    fn reach_held(&self) -> i64 {
        self.reach(self.used).saturating_sub(self.reach_settled())
    }

    /// Where the part begins that is left to others.
    fn reach_usable(&self) -> i64 {
        self.reach(self.usable.unwrap_or(self.size))
    }

    fn next_call(&self) -> String {
        wait_text(self.next_call_ms)
    }

    fn refill(&self) -> String {
        wait_text(self.empty_ms)
    }

    /// How it stands, for its colour.
    fn mood(&self) -> &'static str {
        let is_throttled = self.last_throttle.as_ref().is_some_and(|last| last.holds);
        match self.left() {
            _ if is_throttled => "blocked",
            left if left.saturating_mul(5) < self.size => "low",
            _ => "calm",
        }
    }
}

impl Waiting {
    fn unit(&self) -> &'static str {
        unit_of(self.bucket)
    }

    fn wait(&self) -> String {
        wait_text(self.wait_ms)
    }
}

impl RecentCall {
    /// How it ended, for its colour.
    fn mood(&self) -> &'static str {
        match self.end {
            Some("answered") => "running",
            Some("throttled") => "paused",
            Some(_) => "quarantined",
            None => "",
        }
    }
}

fn unit_of(bucket: &str) -> &'static str {
    match bucket {
        "graphql" => "points",
        _ => "requests",
    }
}

/// How long from now, as people read it.
fn wait_text(wait_ms: i64) -> String {
    match wait_ms {
        ..=0 => "now".to_owned(),
        1..=999 => "within a second".to_owned(),
        longer => format!("in {}", age_text(Some(longer))),
    }
}
