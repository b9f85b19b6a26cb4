//! The crash harness: the real program, killed, stopped, cut off from its database and short of disk while people shop.
//!
//! The platform is the sandbox, which runs in the test's process and so survives every kill: it is the source of the
//! load and, with what it logs, the oracle. A run ends with [`checker::check`], which is pure over what was read from
//! the platform's log and from the database; every fault it knows is planted by a test of its own, so that a checker
//! that sees nothing is noticed. Faults are planted from outside (a relay before the server, a proxy before the
//! database, triggers and settings in the database): the program has no switch for them.
//!
//! Nothing uses Redis yet, so that losing it is not among the outages.
//!
//! `STOREKEEPER_TEST_SEED` repeats a run's load and the moments of its kills.
#![cfg(test)]

#[path = "../it/support"]
#[expect(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "made for the integration tests; not all of it is needed here"
)]
mod support {
    pub(crate) mod database;
    pub(crate) mod postgres;
}

mod checker;
mod database;
mod durability;
mod fence;
mod kills;
mod outages;
mod people;
mod planted;
mod relay;
mod server;
mod shops;
mod sql_proxy;
mod stage;
mod storm;
