//! `storekeeper admin-token`.

use clap::Args;

use super::command_line::DatabaseArgs;
use super::error::CliError;
use super::print;
use crate::app::{AdminTokens, AppError};
use crate::db::DbError;

#[derive(Debug, Args)]
pub(super) struct AdminTokenArgs {
    /// List the tokens there are by id instead; what lets one in is not kept and cannot be shown.
    #[arg(long)]
    list: bool,
    /// End the token of this id instead; a server that runs lets it in for ten seconds more at most.
    #[arg(long, value_name = "ID", conflicts_with = "list")]
    revoke: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) async fn admin_token(
    AdminTokenArgs {
        list,
        revoke,
        database,
    }: AdminTokenArgs,
) -> Result<(), CliError> {
    let tokens = AdminTokens::open(&database.load()?).await?;
    match revoke {
        Some(id) => end(&tokens, &id).await?,
        None if list => show(&tokens).await?,
        None => make(&tokens).await?,
    }
    Ok(tokens.close().await?)
}

async fn make(tokens: &AdminTokens) -> Result<(), CliError> {
    let (token, id) = tokens.create().await?;
    print::line(&format!("admin token (shown only now): {token}"));
    print::line(&format!(
        "its id: {id}; a server that runs on this database lets it in from now on"
    ));
    Ok(())
}

async fn show(tokens: &AdminTokens) -> Result<(), CliError> {
    for operator in tokens.list().await? {
        print::line(&format!(
            "{}  made {}",
            operator.id,
            operator.created_at.to_rfc3339()
        ));
    }
    Ok(())
}

async fn end(tokens: &AdminTokens, id: &str) -> Result<(), CliError> {
    match tokens.revoke(id).await {
        Ok(()) => {}
        Err(AppError::Db(DbError::NotFound(_))) => {
            return Err(CliError::Ambiguous(format!(
                "no admin token has the id {id}; `storekeeper admin-token --list` shows them"
            )));
        }
        Err(other) => return Err(other.into()),
    }
    print::line(&format!("revoked {id}"));
    if tokens.list().await?.is_empty() {
        print::line("it was the last one: the server makes a new one when it starts next");
    }
    Ok(())
}
