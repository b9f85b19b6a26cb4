//! Tables as they are; no rules here.
