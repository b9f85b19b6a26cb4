//! Keepers: every store has one, an actor that alone changes the store.
//!
//! A keeper is a thin shell around [`crate::domain::store::state::StoreState`]. It takes the store's inbox in fair
//! turns, decides commands, plans calls to the platform, and commits each decision under its fence before anything
//! leaves the process. It holds nothing that the database does not: it can be dropped at any instant (INV-J).
//!
//! ```text
//!                       ring, command, scan                     idle: nothing to do, or room is wanted
//!            ┌─────────┐ ───────────────► ┌──────────┐      ┌──────────────────────────► Stopped
//!            │ Stopped │                  │ Starting │      │
//!            └─────────┘      ┌─────────► └────┬─────┘      │
//!                             │     grant, load│            │
//!                             │           ┌────▼─────┐ step: commands and answer → turn → call turn → yield
//!                             │           │ Running  ├──────┐
//!                             │           └────┬─────┘ ◄────┘
//!                  back-off   │    panic,      │
//!                  0.1 … 30 s │    fenced,     │
//!                             │    commit lost │
//!                     ┌───────┴────┐ ◄─────────┤
//!                     │ Restarting │           │ a sixth crash within a minute
//!                     └────────────┘    ┌──────▼──────┐
//!                             ▲         │ Quarantined │ 15 min, doubling to 6 h, or until released
//!                             └──────── └─────────────┘
//! ```
//!
//! Others hold a [`Directory`], never an actor's address. A store's slot outlives its keepers: commands wait there,
//! bounded, and so does the answer of the call that is under way.

mod exit;
mod lifecycle;
mod panics;
mod restart_budget;
mod settings;
mod status;

mod board;
mod handle;
mod living;
mod naked;
mod progress;
mod slot;

mod ahead;
mod allowance;
mod call_sender;
mod call_turn;
mod commands;
mod commit;
mod core;
mod dead_letters;
mod gather;
mod judge;
mod naked_count;
mod naked_sweep;
mod take_turn;

mod activations;
mod actor;
mod arbiters;
mod beat;
mod busy;
mod crowd;
mod directory;
mod guard;
mod home;
mod patrol;
mod placement;
mod purge;
mod safe_mode;
mod scheduler;
mod shared;
mod standings;
mod storm;
mod teller;

pub use arbiters::ArbiterLoad;
pub use board::Board;
pub use directory::Directory;
pub use exit::{Deactivation, Exit};
pub use handle::{Answered, CommandError, Control, Envelope, IdempotencyKey};
pub use lifecycle::{LifecycleEvent, LifecycleStep};
pub use naked_count::{CountState, NakedCount};
pub use panics::watch_panics;
pub use patrol::Silence;
pub use progress::{Doing, InHand, Stuck};
pub use safe_mode::SafeModeStatus;
pub use scheduler::TurnPlace;
pub use settings::{
    KeeperSettings, Moment, MomentHook, PatrolSettings, PlacementSettings, RestartSettings,
    RowHook, SafeModeSettings, StormSettings, TurnHook,
};
pub use status::{KeeperState, KeeperStatus, KnownStanding, Today};

#[cfg(test)]
mod tests;
