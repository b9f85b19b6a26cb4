//! The composition: builds every part from the configuration, in order, and takes them down in the reverse order.
//!
//! ```text
//! start:  locks → database → schema → durability → sealing key → writer → socket → accounts → keepers → HTTP → tasks
//! stop:   readiness off → HTTP drains → turns finish → tasks end → database closes → locks go
//! ```

mod accounts;
mod admin_tokens;
mod alarms;
mod connected_platform;
mod error;
mod first_token;
mod hooks;
mod key_rotation;
mod quota;
mod running;
mod settings;
mod signals;
mod storage;
mod tasks;

pub use accounts::{AccountError, AccountParts, Accounts};
pub use admin_tokens::AdminTokens;
pub use connected_platform::ConnectedPlatform;
pub use error::AppError;
pub use key_rotation::{Rotated, rotate_key};
pub use running::{App, AppParts};
pub use settings::database_options;
pub use signals::StopSignals;
pub use storage::sealer_if_there;
