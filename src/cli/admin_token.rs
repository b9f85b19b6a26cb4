//! `storekeeper admin-token`.

use clap::Args;

use super::command_line::DatabaseArgs;
use super::error::CliError;
use super::print;
use crate::app::{AdminTokens, AppError};
use crate::db::DbError;
use crate::db::admin::operators::OperatorRole;

/// The longest name of whom a token is given to, in characters.
const NAME_CHARS_MAX: usize = 60;

#[derive(Debug, Args)]
pub(super) struct AdminTokenArgs {
    /// What the new token allows: `viewer` looks at everything, `operator` acts on keepers and dead letters, `admin`
    /// does everything.
    #[arg(long, default_value = "admin", value_parser = role_named)]
    role: OperatorRole,
    /// Whose the new token will be, for people.
    #[arg(long, default_value = "", value_parser = bounded_name)]
    name: String,
    /// Why, for the record.
    #[arg(long, default_value = "decided in the shell")]
    reason: String,
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
        role,
        name,
        reason,
        list,
        revoke,
        database,
    }: AdminTokenArgs,
) -> Result<(), CliError> {
    let tokens = AdminTokens::open(&database.load()?).await?;
    match revoke {
        Some(id) => end(&tokens, &id, &reason).await?,
        None if list => show(&tokens).await?,
        None => make(&tokens, role, &name, &reason).await?,
    }
    Ok(tokens.close().await?)
}

fn role_named(name: &str) -> Result<OperatorRole, String> {
    let known = OperatorRole::ALL.map(OperatorRole::name).join(", ");
    OperatorRole::from_name(name).ok_or_else(|| format!("it is one of {known}"))
}

fn bounded_name(name: &str) -> Result<String, String> {
    if name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(format!("at most {NAME_CHARS_MAX} visible characters"));
    }
    Ok(name.trim().to_owned())
}

async fn make(
    tokens: &AdminTokens,
    role: OperatorRole,
    name: &str,
    reason: &str,
) -> Result<(), CliError> {
    let (token, id) = tokens.create(role, name, reason).await?;
    let role = role.name();
    print::line(&format!("{role} token (shown only now): {token}"));
    print::line(&format!(
        "its id: {id}; a server that runs on this database lets it in from now on"
    ));
    Ok(())
}

async fn show(tokens: &AdminTokens) -> Result<(), CliError> {
    for operator in tokens.list().await? {
        print::line(&format!(
            "{}  {:8}  made {}  {}",
            operator.id,
            operator.role.name(),
            operator.created_at.to_rfc3339(),
            operator.name
        ));
    }
    Ok(())
}

async fn end(tokens: &AdminTokens, id: &str, reason: &str) -> Result<(), CliError> {
    match tokens.revoke(id, reason).await {
        Ok(()) => {}
        Err(AppError::Db(DbError::NotFound(_))) => {
            return Err(CliError::Ambiguous(format!(
                "no operator's token has the id {id}; `storekeeper admin-token --list` shows them"
            )));
        }
        Err(other) => return Err(other.into()),
    }
    print::line(&format!("revoked {id}"));
    let left = tokens.list().await?;
    if !left.iter().any(|left| left.role == OperatorRole::Admin) {
        print::line(
            "it was the last one of an admin: the server makes a new one when it starts next",
        );
    }
    Ok(())
}
