//! What the quiet stores have beside them.

use storekeeper::ids::StoreId;

use crate::stage::QUIET_STORES;

/// What the quiet stores have beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Alone,
    /// Ten thousand webhooks as fast as they are accepted; again as soon as they are applied.
    Flood,
    /// As many, over two minutes.
    Spread,
    /// A backlog that was there before.
    Backlog,
    /// Webhooks that want calls, of a store whose bucket never has more than the next call needs.
    EmptyBucket,
    /// A store whose every turn panics, and that is started anew without end.
    Panics,
    FifoAlone,
    FifoFlood,
    FifoSpread,
}

impl Case {
    pub(crate) const ALL: [Self; 9] = [
        Self::Alone,
        Self::Flood,
        Self::Spread,
        Self::Backlog,
        Self::EmptyBucket,
        Self::Panics,
        Self::FifoAlone,
        Self::FifoFlood,
        Self::FifoSpread,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Flood => "flood",
            Self::Spread => "flood, spread",
            Self::Backlog => "backlog",
            Self::EmptyBucket => "empty bucket",
            Self::Panics => "panics",
            Self::FifoAlone => "fifo: alone",
            Self::FifoFlood => "fifo: flood",
            Self::FifoSpread => "fifo: flood, spread",
        }
    }

    /// Whether all share one queue.
    pub(crate) const fn is_fifo(self) -> bool {
        matches!(self, Self::FifoAlone | Self::FifoFlood | Self::FifoSpread)
    }

    pub(crate) fn has_backlog(self) -> bool {
        self == Self::Backlog
    }

    /// The case that this one is compared with.
    pub(crate) const fn baseline(self) -> Self {
        if self.is_fifo() {
            Self::FifoAlone
        } else {
            Self::Alone
        }
    }

    /// Stores that there are.
    pub(crate) const fn stores(self) -> i64 {
        if self.is_fifo() { 1 } else { QUIET_STORES + 1 }
    }

    /// Whose inbox has the webhooks of a quiet store.
    pub(crate) const fn inbox_of(self, quiet: i64) -> StoreId {
        StoreId(if self.is_fifo() { 1 } else { quiet })
    }

    /// The inbox of the neighbour.
    pub(crate) const fn noisy_inbox(self) -> StoreId {
        StoreId(self.stores())
    }
}
