//! Alarms: what a person must hear of without looking. Rules over a few numbers of the whole server, judged from time to
//! time; nothing here depends on a scheduler outside.

mod rules;
mod silence;
mod watch;

#[cfg(test)]
mod tests;

pub use rules::{Alarm, AlarmRules};
pub use silence::Silence;
pub use watch::{Raised, ReadTotals, Reading, Turned, Watch};
