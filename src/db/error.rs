//! What can go wrong with the database, by what a caller can do about it.

use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// Why the database did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    #[error("no such {0}")]
    NotFound(&'static str),
    #[error("conflicts with a row that exists")]
    Conflict,
    /// Another transaction was in the way, or it took too long: try again.
    #[error("database is busy")]
    Busy,
    #[error("no space left for the database")]
    Full,
    #[error("database cannot be reached: {0}")]
    Unavailable(String),
    /// A fault of ours or of the stored rows: trying again does not help.
    #[error("database operation failed: {0}")]
    Broken(String),
}

impl DbError {
    /// Whether the same may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Busy | Self::Full | Self::Unavailable(_) => true,
            Self::NotFound(_) | Self::Conflict | Self::Broken(_) => false,
        }
    }

    /// A stored value that is not what its column promises.
    pub(super) fn malformed(what: &str, error: impl std::fmt::Display) -> Self {
        Self::Broken(format!("malformed {what}: {error}"))
    }
}

impl From<DbErr> for DbError {
    fn from(error: DbErr) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the foreign enum is open and most of it is a fault of ours"
        )]
        match &error {
            DbErr::ConnectionAcquire(_) => Self::Unavailable(error.to_string()),
            DbErr::Conn(RuntimeErr::SqlxError(cause))
            | DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => Self::from_sqlx(cause),
            // It quotes the address, and with it the password.
            DbErr::Conn(RuntimeErr::Internal(said)) if said.contains("onnection string") => {
                Self::Broken("its address, database.url, cannot be understood".to_owned())
            }
            DbErr::Conn(_) => Self::Unavailable(error.to_string()),
            DbErr::RecordNotFound(_) => Self::NotFound("row"),
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl DbError {
    pub(super) fn from_sqlx(error: &SqlxError) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the foreign enum is open and the rest is a fault of ours"
        )]
        match error {
            SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::Protocol(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed => Self::Unavailable(error.to_string()),
            SqlxError::RowNotFound => Self::NotFound("row"),
            SqlxError::Database(cause) if cause.is_unique_violation() => Self::Conflict,
            SqlxError::Database(cause) => {
                Self::from_code(cause.code().as_deref().unwrap_or_default(), cause.message())
            }
            _ => Self::Broken(error.to_string()),
        }
    }

    /// SQLite tells (extended) result codes as decimals, PostgreSQL five-character states.
    fn from_code(code: &str, message: &str) -> Self {
        if code.len() == 5 {
            return match code {
                "53100" => Self::Full,
                "40001" | "40P01" | "55P03" | "57014" | "53000" | "53200" | "53400" => Self::Busy,
                "25006" | "53300" | "57P01" | "57P02" | "57P03" | "57P05" => {
                    Self::Unavailable(message.to_owned())
                }
                _ if code.starts_with("08") || code.starts_with("58") => {
                    Self::Unavailable(message.to_owned())
                }
                _ => Self::Broken(message.to_owned()),
            };
        }
        match code.parse::<u32>().unwrap_or_default() & 0xff {
            5 | 6 | 9 => Self::Busy,
            13 => Self::Full,
            8 | 10 | 14 => Self::Unavailable(message.to_owned()),
            _ => Self::Broken(message.to_owned()),
        }
    }
}
