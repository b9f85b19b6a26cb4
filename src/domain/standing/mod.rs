//! What a store may take of a shared server: a daily allowance by its plan, and a standing by how it behaves.
//!
//! Reading order: the standing and who decided it (`record`), how the rules raise and lower it (`ladder`), how the
//! webhooks of a day are counted (`day`), and what follows from all of it for a store (`terms`).
//!
//! A *standing* is about what a store takes; a keeper's *state* is about whether it runs. A quarantined store's keeper
//! runs, with a smaller share; a keeper in quarantine does not, whatever its store's standing.

mod day;
mod ladder;
mod record;
mod terms;

pub use day::{DAY_MS, Day};
pub use ladder::{Excess, Ladder, LadderRules, Limits, Sample};
pub use record::{Decision, Record, Rung, Standing, Suspension};
pub use terms::{Beyond, QuotaRules, Terms};

#[cfg(test)]
mod tests;
