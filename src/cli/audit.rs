//! `storekeeper audit`.

use super::admin_api::AdminApi;
use super::command_line::AuditArgs;
use super::error::CliError;
use super::stores::print_list;

const AUDIT_COLUMNS: &[&str] = &["at", "actor", "action", "store", "detail"];

pub(super) async fn audit(arguments: AuditArgs) -> Result<(), CliError> {
    let AuditArgs { admin, store } = arguments;
    let as_json = admin.json;
    let api = AdminApi::new(admin.load()?.admin)?;
    let store = store.map(|store| store.to_string());
    let query = store.as_deref().map(|store| ("store", store));
    let listed = api.list("/v1/admin/audit", query.as_slice()).await?;
    print_list(AUDIT_COLUMNS, listed, as_json);
    Ok(())
}
