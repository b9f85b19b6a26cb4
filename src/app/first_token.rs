//! The first admin token: made when nobody can be let in yet.

use crate::clock::Timestamp;
use crate::db::admin::operators;
use crate::db::{Db, DbError};
use crate::http::{ADMIN_TOKEN_PREFIX, hash_token};
use crate::ids::IdSource;

/// Makes an admin token unless there is one. Only its hash is kept: whoever gets it here is the last to see it.
pub(super) async fn create(
    db: &Db,
    ids: &IdSource,
    now: Timestamp,
) -> Result<Option<String>, DbError> {
    if operators::count(db).await? > 0 {
        return Ok(None);
    }
    let token = ids.token(ADMIN_TOKEN_PREFIX);
    operators::insert(db, &hash_token(&token), now).await?;
    Ok(Some(token))
}
