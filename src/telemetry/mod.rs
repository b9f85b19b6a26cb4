//! What the process tells of itself to those who run it.

pub mod metric_name;
