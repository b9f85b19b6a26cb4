//! Parses the command line and hands over to `cli`; nothing else.

fn main() {}
