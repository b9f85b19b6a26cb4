//! What a merchant decides for the whole store: when an order consumes, and what is kept back from bundles.

use serde::{Deserialize, Serialize};

use crate::domain::bundle::SafetyStock;
use crate::domain::fact::OrderSnapshot;
use crate::domain::store::change::Change;
use crate::domain::store::outcome::{Outcome, Refusal};
use crate::domain::store::state::StoreState;

/// A merchant's decisions; the default is that of a store whose merchant made none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorePolicy {
    pub consume_on: ConsumeOn,
    pub safety_stock: SafetyStock,
}

/// When an order takes components. An order keeps the rule under which it was first told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsumeOn {
    /// When it is made, as the platform commits stock.
    #[default]
    Created,
    /// When it is paid in full. Until then its components are for sale.
    Paid,
}

impl StorePolicy {
    /// Whether an order that is told of for the first time is to be paid before it takes anything.
    #[must_use]
    pub(super) const fn waits_for_payment(&self, order: &OrderSnapshot) -> bool {
        match self.consume_on {
            ConsumeOn::Created => false,
            ConsumeOn::Paid => !order.paid,
        }
    }
}

impl StoreState {
    /// What the merchant decided.
    #[must_use]
    pub const fn policy(&self) -> &StorePolicy {
        &self.policy
    }

    /// Takes in what the merchant decides anew; every bundle is computed under it.
    pub(super) fn put_policy(
        &mut self,
        policy: StorePolicy,
        seen: Option<&StorePolicy>,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        policy.safety_stock.check()?;
        if seen.is_some_and(|seen| *seen != self.policy) {
            return Err(Refusal::PolicyChanged);
        }
        if policy.safety_stock != self.policy.safety_stock {
            self.dirty_all();
        }
        if policy != self.policy {
            outcome.changes.put(Change::PutPolicy(policy.clone()));
            self.policy = policy;
        }
        Ok(())
    }
}
