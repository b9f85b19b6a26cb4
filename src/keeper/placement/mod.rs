//! Which thread a keeper lives on: newcomers go where least is to be done, and who does much moves away from those who
//! do as well (D7).
//!
//! [`balance`] decides, pure; [`keeping`] measures and moves.

mod balance;
mod keeping;

pub(super) use keeping::keep_balance;

#[cfg(test)]
mod tests;
