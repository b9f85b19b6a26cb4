//! The rate state towards the platform.
