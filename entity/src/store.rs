//! A merchant's store. Keys and tokens of ours are stored as hashes, those of the platform sealed.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "store")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    #[sea_orm(column_type = "Text")]
    pub platform: String,
    #[sea_orm(column_type = "Text")]
    pub domain: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub name: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub api_base_url: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub plan: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub intake_token_hash: String,
    #[sea_orm(column_type = "Text")]
    pub secret_key_hash: String,
    #[sea_orm(column_type = "Text")]
    pub publishable_key_hash: String,
    #[sea_orm(column_type = "Text")]
    pub status: String,
    pub installed_at: i64,
    pub updated_at: i64,
    pub deleted_at: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub key_id: String,
    #[sea_orm(column_type = "Blob", nullable)]
    pub access_token: Option<Vec<u8>>,
    #[sea_orm(column_type = "Blob", nullable)]
    pub refresh_token: Option<Vec<u8>>,
    pub token_expires_at: Option<i64>,
    #[sea_orm(column_type = "Blob", nullable)]
    pub intake_token: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
