//! The `cosmosmesh` program.
fn main() {}
