//! Shoppers, merchants, outside editors and one noisy store, drawn from the seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::super::error::CliError;
use super::options::DemoArgs;
use super::progress::Progress;
use super::setup::DemoStore;
use crate::app::App;
use crate::sandbox::{
    CancelRequest, FulfilRequest, LevelKey, OrderRequest, RefundLineRequest, RefundRequest,
    RestockType, Sandbox, SandboxError,
};

/// About how many webhooks one action brings about.
const WEBHOOKS_PER_ACTION: u32 = 4;
/// How many products the noisy store imports at once.
const IMPORT: u32 = 25;
/// Every so many actions the noisy store imports products.
const IMPORT_EVERY: u64 = 40;
/// Orders that may still be refunded, cancelled or sent, per store.
const ORDERS_KEPT_MAX: usize = 50;

/// What one person does.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Buy,
    Refund,
    Cancel,
    Fulfil,
    Edit,
}

/// Lets people act at the rate asked for, until dropped.
pub(super) async fn run(
    arguments: &DemoArgs,
    app: &App,
    sandbox: &Sandbox,
    stores: &[DemoStore],
) -> Result<(), CliError> {
    let mut people = People::new(arguments.seed, stores.len());
    let mut progress = Progress::new(arguments);
    let period = Duration::from_secs(1) * WEBHOOKS_PER_ACTION / arguments.rate.max(1);
    let mut ticks = tokio::time::interval(period);
    for action in 1_u64.. {
        ticks.tick().await;
        people.act(sandbox, stores)?;
        if action.is_multiple_of(IMPORT_EVERY) {
            for noisy in stores.iter().filter(|store| store.noisy) {
                sandbox.import(&noisy.domain, IMPORT)?;
            }
        }
        progress.show(app);
    }
    Ok(())
}

/// Everyone who acts, and which orders they still think of.
struct People {
    rng: StdRng,
    orders: Vec<Vec<i64>>,
}

impl People {
    fn new(seed: u64, stores: usize) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            orders: vec![Vec::new(); stores],
        }
    }

    fn act(&mut self, sandbox: &Sandbox, stores: &[DemoStore]) -> Result<(), CliError> {
        let position = self.store(stores.len());
        let Some(store) = stores.get(position) else {
            return Ok(());
        };
        let deed = match self.rng.random_range(0..20) {
            0..=10 => Deed::Buy,
            11..=13 => Deed::Refund,
            14 => Deed::Cancel,
            15..=17 => Deed::Fulfil,
            _ => Deed::Edit,
        };
        match deed {
            Deed::Buy => self.buy(sandbox, store, position),
            Deed::Refund | Deed::Cancel | Deed::Fulfil => {
                self.change_order(sandbox, store, position, deed)
            }
            Deed::Edit => self.edit(sandbox, store),
        }
    }

    /// Half of what happens, happens in the noisy store, the last one.
    fn store(&mut self, stores: usize) -> usize {
        let last = stores.saturating_sub(1);
        if self.rng.random_bool(0.5) {
            last
        } else {
            self.rng.random_range(0..last.max(1))
        }
    }

    fn buy(
        &mut self,
        sandbox: &Sandbox,
        store: &DemoStore,
        position: usize,
    ) -> Result<(), CliError> {
        let lines = self.rng.random_range(1..=2);
        let lines = (0..lines).map(|_| {
            let of = if self.rng.random_bool(0.6) {
                store.bundles()
            } else {
                &store.items
            };
            let item = of
                .get(self.rng.random_range(0..of.len().max(1)))
                .copied()
                .unwrap_or_default();
            (item, self.rng.random_range(1..=2))
        });
        let lines = lines.collect::<Vec<_>>();
        let order = sandbox.place_order(&store.domain, &OrderRequest::online(&lines))?;
        if let Some(orders) = self.orders.get_mut(position) {
            orders.push(order);
            if orders.len() > ORDERS_KEPT_MAX {
                orders.remove(0);
            }
        }
        Ok(())
    }

    fn change_order(
        &mut self,
        sandbox: &Sandbox,
        store: &DemoStore,
        position: usize,
        deed: Deed,
    ) -> Result<(), CliError> {
        let orders = self.orders.get(position).map_or(&[][..], Vec::as_slice);
        let Some(order) = orders
            .get(self.rng.random_range(0..orders.len().max(1)))
            .copied()
        else {
            return Ok(());
        };
        let done = match deed {
            Deed::Cancel => {
                let restock = self.rng.random_bool(0.7);
                sandbox.cancel_order(
                    &store.domain,
                    order,
                    &CancelRequest {
                        restock,
                        ..CancelRequest::default()
                    },
                )
            }
            Deed::Fulfil => sandbox.fulfil_order(&store.domain, order, &FulfilRequest::default()),
            Deed::Refund | Deed::Buy | Deed::Edit => self.refund(sandbox, store, order),
        };
        allowed(done)
    }

    fn refund(
        &mut self,
        sandbox: &Sandbox,
        store: &DemoStore,
        order: i64,
    ) -> Result<(), SandboxError> {
        let Some(line) = sandbox.line_ids(&store.domain, order).first().copied() else {
            return Ok(());
        };
        let restock_type = match self.rng.random_range(0..3) {
            0 => RestockType::NoRestock,
            1 => RestockType::Cancel,
            _ => RestockType::Return,
        };
        let line = RefundLineRequest {
            line,
            quantity: 1,
            restock_type,
            location: None,
        };
        sandbox.refund_order(
            &store.domain,
            order,
            &RefundRequest {
                lines: vec![line],
                note: None,
            },
        )?;
        Ok(())
    }

    fn edit(&mut self, sandbox: &Sandbox, store: &DemoStore) -> Result<(), CliError> {
        let item = store
            .items
            .get(self.rng.random_range(0..store.items.len().max(1)))
            .copied();
        let location = store
            .locations
            .get(self.rng.random_range(0..store.locations.len().max(1)))
            .copied();
        let Some((item, location)) = item.zip(location) else {
            return Ok(());
        };
        let available = self.rng.random_range(100..400);
        allowed(sandbox.edit_level(&store.domain, LevelKey { item, location }, available))
    }
}

/// People try what the platform refuses, such as sending an order that was cancelled; that is no failure of the demo.
fn allowed(done: Result<(), SandboxError>) -> Result<(), CliError> {
    match done {
        Ok(()) | Err(SandboxError::Refused { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
