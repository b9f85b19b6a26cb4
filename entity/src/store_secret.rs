//! A secret that signs a store's webhooks, sealed. The fingerprint tells which stores share one.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "store_secret")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub store: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    #[sea_orm(column_type = "Text")]
    pub key_id: String,
    #[sea_orm(column_type = "Blob")]
    pub sealed: Vec<u8>,
    #[sea_orm(column_type = "Text")]
    pub fingerprint: String,
    pub created_at: i64,
    pub revoked_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
