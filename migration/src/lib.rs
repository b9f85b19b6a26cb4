//! Schema changes, up and down; never depends on `entity`.
