//! Generated documents.

fn main() {}
