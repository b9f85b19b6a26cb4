//! Stand-in until the real module is merged.

use crate::clock::Timestamp;
use crate::ids::StoreId;

#[derive(Clone, Debug)]
pub struct Db;

#[derive(Debug, thiserror::Error)]
#[error("stub")]
pub struct DbError;

pub mod keepers {
    use super::*;
    use crate::domain::store::state::Loaded;
    use crate::ids::GrantId;
    #[derive(Debug)]
    pub struct Activation {
        pub applied_seq: i64,
        pub loaded: Loaded,
    }
    pub async fn activate(
        _db: &Db,
        _store: StoreId,
        _grant: GrantId,
        _now: Timestamp,
    ) -> Result<Activation, DbError> {
        Err(DbError)
    }
}

pub mod inbox {
    use super::*;
    #[derive(Debug)]
    pub struct InboxRow {
        pub seq: i64,
        pub topic: String,
        pub triggered_at: Option<Timestamp>,
        pub body: bytes::Bytes,
    }
    pub async fn read_rows(
        _db: &Db,
        _store: StoreId,
        _after: i64,
        _rows: usize,
        _bytes: usize,
    ) -> Result<Vec<InboxRow>, DbError> {
        Ok(Vec::new())
    }
    pub async fn head(_db: &Db, _store: StoreId) -> Result<i64, DbError> {
        Ok(0)
    }
}

pub mod parking {
    use super::*;
    pub async fn load(
        _db: &Db,
        _store: StoreId,
        _seqs: &[i64],
    ) -> Result<Vec<inbox::InboxRow>, DbError> {
        Ok(Vec::new())
    }
}

pub mod orders {
    use super::*;
    use crate::domain::order::OrderState;
    use crate::ids::OrderId;
    pub async fn load(
        _db: &Db,
        _store: StoreId,
        _orders: &[OrderId],
    ) -> Result<Vec<OrderState>, DbError> {
        Ok(Vec::new())
    }
}

pub mod idempotency {
    use super::*;
    use crate::domain::store::change::IdempotentReply;
    pub async fn find(
        _db: &Db,
        _store: StoreId,
        _key: &str,
    ) -> Result<Option<IdempotentReply>, DbError> {
        Ok(None)
    }
}

pub mod fleet {
    use super::*;
    pub async fn stores_to_wake(
        _db: &Db,
        _now: Timestamp,
        _limit: usize,
    ) -> Result<Vec<StoreId>, DbError> {
        Ok(Vec::new())
    }
}

pub mod writer {
    use super::*;
    use crate::domain::store::change::{Changes, KeeperRecord};
    use crate::ids::GrantId;
    #[derive(Clone, Debug)]
    pub struct Writer;
    #[derive(Debug)]
    pub struct Share {
        pub store: StoreId,
        pub grant: GrantId,
        pub applied_seq: i64,
        pub record: KeeperRecord,
        pub changes: Changes,
    }
    #[derive(Debug, thiserror::Error)]
    pub enum CommitError {
        #[error("fenced")]
        Fenced,
        #[error("refused")]
        Refused(DbError),
        #[error("unavailable")]
        Unavailable(DbError),
    }
    impl Writer {
        pub async fn commit(&self, _share: Share) -> Result<(), CommitError> {
            Ok(())
        }
    }
}
