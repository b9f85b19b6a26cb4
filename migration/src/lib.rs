//! The schema, step by step; the same on SQLite and PostgreSQL.
//!
//! Times are milliseconds since the Unix epoch; ids are 64-bit integers or UUIDs as text; documents are JSON as text.
//! Every table of a store is keyed by the store first. Never depends on `entity`: a migration says what was true when
//! it was written.

#![expect(
    elided_lifetimes_in_paths,
    reason = "under async_trait an implementation elides exactly where its trait does"
)]

use sea_orm_migration::prelude::*;

pub use sea_orm_migration::{MigrationStatus, MigratorTrait};

mod m0001_create_stores;
mod m0002_create_inbox;
mod m0003_create_keepers;
mod m0004_create_lanes;
mod m0005_stamp_deliveries;
mod m0006_know_installations;
mod m0007_recent_deliveries;
mod m0008_doubt_places;
mod m0009_create_policies;
mod m0010_take_ahead;
mod m0011_give_operators_roles;
mod m0012_seal_intake_tokens;
mod m0013_standing;
mod table;

/// All steps, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_create_stores::Migration),
            Box::new(m0002_create_inbox::Migration),
            Box::new(m0003_create_keepers::Migration),
            Box::new(m0004_create_lanes::Migration),
            Box::new(m0005_stamp_deliveries::Migration),
            Box::new(m0006_know_installations::Migration),
            Box::new(m0007_recent_deliveries::Migration),
            Box::new(m0008_doubt_places::Migration),
            Box::new(m0009_create_policies::Migration),
            Box::new(m0010_take_ahead::Migration),
            Box::new(m0011_give_operators_roles::Migration),
            Box::new(m0012_seal_intake_tokens::Migration),
            Box::new(m0013_standing::Migration),
        ]
    }
}
