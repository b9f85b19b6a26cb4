//! Why a store waits, in one sentence: asked on the store's page, in the API and in the shell.

mod sentence;
#[cfg(test)]
mod tests;

pub(crate) use sentence::{Decided, Situation, Why, why};
