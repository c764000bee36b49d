//! The shipped scenarios load, build and have an optimum that is worth an
//! agreement.

use cosmosmesh_optimize::central;
use cosmosmesh_planning::mission::Mission;
use cosmosmesh_planning::scenario::Scenario;
use cosmosmesh_planning::shipped::{SHIPPED, shipped};

fn build(name: &str) -> Mission {
    let text = shipped(name).expect("a shipped scenario");
    let scenario = Scenario::parse(name, text).unwrap_or_else(|e| panic!("{e}"));
    Mission::build(&scenario).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn all_have_an_optimum() {
    for (name, _) in SHIPPED {
        let mission = build(name);
        for a in &mission.assets {
            let p = a.problem.parts();
            println!(
                "{name} {}: n {} m {} light {:.3}",
                a.id,
                a.problem.n(),
                p.l.len(),
                a.facts.light.share.iter().sum::<f64>() / a.facts.light.share.len() as f64
            );
            for s in &a.facts.light.dark {
                print!(" {:.1}-{:.1}", s.from_s as f64 / 3600.0, s.to_s as f64 / 3600.0);
            }
            println!();
        }
        for c in &mission.contacts {
            let total: i64 = c.spans.iter().map(|s| s.to_s - s.from_s).sum();
            println!("{}-{}: {} spans, {:.3}, {} s", c.from, c.to, c.spans.len(),
                total as f64 / mission.steps.horizon_s() as f64, c.delay_s);
        }
        let coupled = mission.normal_form().unwrap();
        let best = central::solve(&coupled).unwrap_or_else(|e| panic!("{name}: {e}"));
        println!("{name}: {}", best.value);
        let steps = mission.steps.len();
        for (k, c) in coupled.rows.chunks(steps).enumerate() {
            let prices: Vec<String> = (0..steps)
                .map(|t| format!("{:.3}", best.price[k * steps + t] / mission.steps.hours(t)))
                .collect();
            println!("{} (per hour of step): {}", c[0].coupling, prices.join(" "));
        }
    }
}
