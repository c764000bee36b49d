//! What several tests need.

use cosmosmesh_planning::mission::Mission;
use cosmosmesh_planning::scenario::Scenario;
use cosmosmesh_planning::shipped::shipped;

/// A shipped scenario, built.
pub(crate) fn build(name: &str) -> Mission {
    let text = shipped(name).expect("a shipped scenario");
    let scenario = Scenario::parse(name, text).unwrap_or_else(|e| panic!("{e}"));
    Mission::build(&scenario).unwrap_or_else(|e| panic!("{e}"))
}
