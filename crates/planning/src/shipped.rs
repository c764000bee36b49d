//! The scenarios that come with the project.

/// Names and texts of the shipped scenarios, by name.
pub const SHIPPED: &[(&str, &str)] = &[
    (
        "energy_balance",
        include_str!("../../../scenarios/energy_balance.toml"),
    ),
    (
        "shackleton_relay",
        include_str!("../../../scenarios/shackleton_relay.toml"),
    ),
];

/// The text of the shipped scenario of that name.
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, text)| *text)
}
