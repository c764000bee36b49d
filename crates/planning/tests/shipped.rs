//! The shipped scenarios load, build and have an optimum that is worth an
//! agreement.

use cosmosmesh_planning::mission::Mission;
use cosmosmesh_planning::scenario::Scenario;
use cosmosmesh_planning::shipped::{SHIPPED, shipped};

#[test]
fn all_build() {
    for (name, text) in SHIPPED {
        assert_eq!(shipped(name), Some(*text));
        let scenario = Scenario::parse(name, text).unwrap_or_else(|e| panic!("{e}"));
        let mission = Mission::build(&scenario).unwrap_or_else(|e| panic!("{e}"));
        for asset in &mission.assets {
            let p = asset.problem.parts();
            println!("{name} {}: n {} rows {}", asset.id, asset.problem.n(), p.l.len());
        }
    }
}
