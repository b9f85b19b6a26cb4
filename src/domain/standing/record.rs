//! The standing of a store, since when, why, and who decided it.

use crate::clock::Timestamp;
use crate::domain::standing::Day;

/// What a store may take, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// As much as everybody.
    Good,
    /// A smaller share of turns whenever others want some, and what its plan names for beyond its allowance.
    Noisy,
    /// The least share, which is never none.
    Quarantined,
    /// Its webhooks are refused; what was accepted is worked off with the least share. Only a person suspends.
    Suspended,
}

impl Standing {
    /// All, the best first.
    pub const ALL: [Self; 4] = [Self::Good, Self::Noisy, Self::Quarantined, Self::Suspended];

    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Noisy => "noisy",
            Self::Quarantined => "quarantined",
            Self::Suspended => "suspended",
        }
    }

    /// The standing of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|standing| standing.name() == name)
    }
}

/// The part of a standing that the rules decide, step by step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    #[default]
    Good,
    Noisy,
    Quarantined,
}

impl Rung {
    /// The standing of a store that is not suspended.
    #[must_use]
    pub const fn standing(self) -> Standing {
        match self {
            Self::Good => Standing::Good,
            Self::Noisy => Standing::Noisy,
            Self::Quarantined => Standing::Quarantined,
        }
    }

    /// One step towards quarantine.
    #[must_use]
    pub const fn worse(self) -> Self {
        match self {
            Self::Good => Self::Noisy,
            Self::Noisy | Self::Quarantined => Self::Quarantined,
        }
    }

    /// One step towards good.
    #[must_use]
    pub const fn better(self) -> Self {
        match self {
            Self::Good | Self::Noisy => Self::Good,
            Self::Quarantined => Self::Noisy,
        }
    }
}

/// A suspension, from its notice on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// When it takes effect; until then it is a notice.
    pub at: Timestamp,
    pub reason: String,
    pub by: String,
}

/// A store's standing as it is kept. The default is that of a store of which nobody decided anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub rung: Rung,
    pub since: Timestamp,
    pub reason: String,
    /// A person, or the rules.
    pub by: String,
    /// Set by a person: the rules leave it alone before this.
    pub pinned_until: Option<Timestamp>,
    pub suspension: Option<Suspension>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            rung: Rung::Good,
            since: Timestamp::EPOCH,
            reason: String::new(),
            by: String::new(),
            pinned_until: None,
            suspension: None,
        }
    }
}

/// What a person decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub to: Standing,
    /// When a suspension takes effect, at the earliest now; of no meaning for the others.
    pub effective_at: Option<Timestamp>,
    pub reason: String,
    pub by: String,
}

impl Record {
    /// Who the rules are in [`by`](Self::by).
    pub const RULES: &'static str = "rules";

    /// What holds now.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        if self.suspended_from().is_some_and(|from| from <= now) {
            return Standing::Suspended;
        }
        self.rung.standing()
    }

    /// From when on webhooks are refused, if a person decided that.
    #[must_use]
    pub fn suspended_from(&self) -> Option<Timestamp> {
        self.suspension.as_ref().map(|suspension| suspension.at)
    }

    /// As a person decides. A suspension leaves what the rules decided beneath it, and one in force is not put off by
    /// another; any other standing ends one, and the rules leave it alone until the UTC day is over.
    #[must_use]
    pub fn decided(&self, decision: Decision, now: Timestamp) -> Self {
        let Decision {
            to,
            effective_at,
            reason,
            by,
        } = decision;
        let rung = match to {
            Standing::Good => Rung::Good,
            Standing::Noisy => Rung::Noisy,
            Standing::Quarantined => Rung::Quarantined,
            Standing::Suspended => {
                let in_force = self.suspended_from().filter(|from| *from <= now);
                let at = in_force.unwrap_or_else(|| effective_at.map_or(now, |at| at.max(now)));
                return Self {
                    suspension: Some(Suspension { at, reason, by }),
                    ..self.clone()
                };
            }
        };
        Self {
            rung,
            since: now,
            reason,
            by,
            pinned_until: Some(Day::end_of(now)),
            suspension: None,
        }
    }

    /// As the rules decide; what a person said of a suspension stands.
    #[must_use]
    pub fn stepped(&self, rung: Rung, reason: String, now: Timestamp) -> Self {
        Self {
            rung,
            since: now,
            reason,
            by: Self::RULES.to_owned(),
            pinned_until: None,
            suspension: self.suspension.clone(),
        }
    }
}
