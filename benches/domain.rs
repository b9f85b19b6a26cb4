//! What the rules of a store cost, without database or network: `cargo bench --bench domain`.

#![expect(
    clippy::expect_used,
    reason = "a measuring program: what is wrong ends it"
)]

#[expect(dead_code, reason = "the other benchmark uses more of it")]
#[path = "applied/platform.rs"]
mod platform;
#[path = "applied/rows.rs"]
mod rows;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use storekeeper::clock::Timestamp;
use storekeeper::domain::call::Answer;
use storekeeper::domain::store::command::{Command, Row};
use storekeeper::domain::store::settings::StoreSettings;
use storekeeper::domain::store::state::{Loaded, StoreState};
use storekeeper::ids::{CallId, StoreId};
use storekeeper::platform::PlatformKind;

const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);

/// A store whose platform answers at once.
struct Shop {
    state: StoreState,
    now: Timestamp,
    calls: u128,
    rows: i64,
}

impl Shop {
    /// With one bundle, its stock written.
    fn open() -> Self {
        let settings = StoreSettings::default();
        let state = StoreState::restore(StoreId(1), Loaded::default(), settings, NOW);
        let mut shop = Self {
            state,
            now: NOW,
            calls: 0,
            rows: 0,
        };
        let draft = || Command::PutBundle(rows::bundle(1, NOW));
        shop.state.apply(NOW, draft()).expect("a draft");
        shop.settle();
        shop.state.apply(NOW, draft()).expect("a bundle");
        shop.settle();
        shop
    }

    /// Makes calls until there is none to make.
    fn settle(&mut self) {
        loop {
            self.calls += 1;
            // Tokens come with time.
            self.now = self.now.plus_millis(1_000);
            let fresh = CallId(uuid::Uuid::from_u128(self.calls));
            let planned = self.state.apply(self.now, Command::PlanCall { fresh });
            let Some(call) = planned.expect("a plan").call else {
                return;
            };
            let answer = Answer {
                result: Ok(platform::reply_to(&call.request)),
                rate: Some(platform::open_bucket(&call.request)),
                platform_time: None,
            };
            let answered = Command::CallAnswered {
                call: call.id,
                answer,
            };
            self.state.apply(self.now, answered).expect("an answer");
        }
    }

    /// Takes the next row of this kind (see [`rows::row`]), parsed from its body.
    fn take(&mut self, kind: i64) {
        self.rows += 1;
        let (topic, body) = rows::row(self.rows * 10 + kind, self.now);
        let row = Row {
            seq: self.rows,
            topic: topic.to_owned(),
            fact: Ok(PlatformKind::Shopify
                .parse(topic, body.as_bytes())
                .expect("a fact")),
            triggered_at: None,
            from_lane: false,
        };
        black_box(
            self.state
                .apply(self.now, Command::TakeRow(row))
                .expect("applied"),
        );
    }
}

fn rows_of_each_temperature(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("row");
    for (name, kind) in [("hot, with its calls", 0), ("cold", 1), ("naked", 5)] {
        let mut shop = Shop::open();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                shop.take(kind);
                if kind == 0 {
                    shop.settle();
                }
            });
        });
    }
    group.finish();
}

fn parsing(criterion: &mut Criterion) {
    let (topic, body) = rows::row(0, NOW);
    criterion.bench_function("parse an order of 1.5 kB", |bencher| {
        bencher.iter(|| PlatformKind::Shopify.parse(topic, black_box(body.as_bytes())));
    });
    criterion.bench_function("what an order of 1.5 kB mentions", |bencher| {
        bencher.iter(|| PlatformKind::Shopify.mentions(topic, black_box(body.as_bytes())));
    });
}

criterion_group!(benches, rows_of_each_temperature, parsing);
criterion_main!(benches);
