//! After an outage the platform sends all at once what it could not deliver. Everything is accepted, a store that is
//! quiet goes on meanwhile, and in the end all is applied and right.
//!
//! `STOREKEEPER_TEST_STORM` says how many deliveries pile up; 70,000 is the whole storm.

use std::time::Duration;

use storekeeper::sandbox::{Answer, Plan, Sandbox, SandboxOptions};
use tokio::time::{Instant, interval};

use crate::kills::ends_well;
use crate::server::{LOOK_EVERY, PATIENCE};
use crate::shops::{Shop, ShopPlan};
use crate::stage::{Opening, Stage, until};

const SIZE_VARIABLE: &str = "STOREKEEPER_TEST_STORM";
const DELIVERIES: usize = 4_000;
/// A server that delivers fewer than so many a second has lost its way, however slow the machine is.
const SETTLED_PER_S_MIN: u32 = 20;
/// The number of the quiet shop; those in the storm count from nought.
const QUIET: usize = 99;
const QUIET_ORDERS: usize = 5;
/// Webhooks of before so many milliseconds seem to be sent again.
const OLD_MS: &str = "1000";
const OUTAGE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; run tests/run"]
async fn everything_is_accepted_after_an_outage_and_a_quiet_store_goes_on() {
    let chosen = std::env::var_os(SIZE_VARIABLE).and_then(|size| size.into_string().ok());
    let deliveries = chosen.map_or(DELIVERIES, |size| size.parse().unwrap());
    let opening = Opening::new().setting("STORM__WEBHOOKS_MIN", "100");
    let opening = opening.shops(&[(Plan::Plus, 1), (Plan::Plus, 2), (Plan::Enterprise, 1)]);
    // So that the server can tell how old a webhook is.
    let opening = opening.in_real_time();
    let opening = opening.setting("STORM__OLD_MS", OLD_MS);
    // Whatever the machine, some of so many at once wait longer than that.
    let opening = opening.setting("STORM__SLOW_ACCEPT_MS", "1");
    let opening = opening.setting("STORM__CALM_ACCEPT_MS", "1");
    let opening = opening.setting("STORM__QUIET_MS", "1000");
    let (mut stage, server) = opening.open().await;
    let (platform, quiet) = quiet_shop(&stage).await;

    server.kill().await;
    while stage.sandbox.pending() < deliveries {
        for (position, shop) in stage.shops.iter().enumerate() {
            stage.people.buy(&stage.sandbox, shop, position);
        }
        // Attempts fail meanwhile, and are put off.
        tokio::task::yield_now().await;
    }
    let ends = Instant::now() + OUTAGE;
    until("all that piled up is old", async || Instant::now() >= ends).await;
    let mut server = stage.launch.start().await;
    let began = Instant::now();
    stage.sandbox.heal();
    let mut people = crate::people::People::new(stage.seed, 1);
    for order in 0..QUIET_ORDERS {
        people.buy(&platform, &quiet, 0);
        until("the quiet store's order is applied", async || {
            platform.pending() == 0 && quiet.is_right(&platform)
        })
        .await;
        let left = stage.sandbox.pending();
        println!(
            "quiet order {order} after {:?}; {left} to come",
            began.elapsed()
        );
    }
    is_delivered(&stage, deliveries).await;
    println!("{deliveries} deliveries in {:?}", began.elapsed());
    assert!(
        stage.launch.printed().contains("retry storm: "),
        "a storm was seen"
    );
    assert!(server.is_running(), "{}", stage.launch.printed());
    refused_nothing(&stage);
    ends_well(&stage, server).await;
    // What settled anew was accepted, too.
    refused_nothing(&stage);
}

/// A shop on a platform of its own, which has nothing else to send.
async fn quiet_shop(stage: &Stage) -> (Sandbox, Shop) {
    let options = SandboxOptions {
        seed: stage.seed,
        ..SandboxOptions::default()
    };
    let platform = Sandbox::start(options).await.unwrap();
    let plan = ShopPlan {
        plan: Plan::Plus,
        locations: 1,
    };
    let token = stage.launch.admin_token();
    let door = (stage.launch.address.as_str(), token.as_str());
    let shop = Shop::open(&platform, door, (QUIET, plan)).await;
    until("the quiet shop is ready", async || {
        platform.pending() == 0 && shop.is_right(&platform)
    })
    .await;
    (platform, shop)
}

async fn is_delivered(stage: &Stage, deliveries: usize) {
    let seconds = u64::try_from(deliveries).unwrap() / u64::from(SETTLED_PER_S_MIN);
    let deadline = Instant::now() + PATIENCE + Duration::from_secs(seconds);
    let mut ticks = interval(LOOK_EVERY * 10);
    while stage.sandbox.pending() > 0 || stage.database.unfinished().await > 0 {
        assert!(Instant::now() < deadline, "{:#?}", stage.answers());
        ticks.tick().await;
    }
}

/// Whoever answered took what came, or, on a machine that is too slow for so many at once, could not within the time
/// that the platform gives.
fn refused_nothing(stage: &Stage) {
    for shop in &stage.shops {
        for sent in stage.sandbox.log(&shop.domain).webhooks {
            if let Answer::Status { status, body } = sent.answer {
                assert!(
                    status == 200 || body.contains("not_durable"),
                    "{status} {body}"
                );
            }
        }
    }
}
