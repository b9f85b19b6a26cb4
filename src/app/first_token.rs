//! The first admin token: made when nobody can be let in yet.

use crate::clock::Timestamp;
use crate::db::admin::operators::{self, NewOperator, OperatorRole};
use crate::db::{Db, DbError};
use crate::http::{OPERATOR_TOKEN_PREFIX, hash_token};
use crate::ids::IdSource;

/// Makes an admin token unless there is one. Only its hash is kept: whoever gets it here is the last to see it.
pub(super) async fn create(
    db: &Db,
    ids: &IdSource,
    now: Timestamp,
) -> Result<Option<String>, DbError> {
    if operators::count_admins(db).await? > 0 {
        return Ok(None);
    }
    let token = ids.token(OPERATOR_TOKEN_PREFIX);
    let hash = hash_token(&token);
    let first = NewOperator {
        hash: &hash,
        name: "",
        role: OperatorRole::Admin,
    };
    operators::insert(db, first, now).await?;
    Ok(Some(token))
}
