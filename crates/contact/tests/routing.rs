//! Earliest arrival against exhaustive search, and by hand.

use cosmosmesh_contact::{
    BitRate, Contact, ContactPlan, NodeIndex, Router, Seconds, TimeBase, anomalies,
    earliest_arrival, earliest_arrivals,
};
use proptest::prelude::*;

fn plan(nodes: u32, contacts: &[(u32, u32, f64, f64, f64, f64)]) -> ContactPlan {
    let mut plan = ContactPlan::new(TimeBase::Relative);
    for node in 0..nodes {
        plan.add_node(&format!("n{node}"));
    }
    for &(from, to, start_s, end_s, rate, owlt) in contacts {
        plan.contacts.push(Contact {
            from: NodeIndex(from),
            to: NodeIndex(to),
            start_s,
            end_s,
            rate: BitRate::from_bit_per_s(rate).unwrap(),
            owlt: Seconds::new(owlt),
            confidence: 0.5,
            id: None,
        });
    }
    plan
}

#[test]
fn first_and_last_bit() {
    let plan = plan(
        3,
        &[(0, 1, 10.0, 20.0, 100.0, 5.0), (1, 2, 0.0, 40.0, 50.0, 1.0)],
    );
    let route = earliest_arrival(&plan, NodeIndex(0), NodeIndex(2), 0.0, 500.0).unwrap();
    let times: Vec<_> = route
        .hops
        .iter()
        .map(|hop| (hop.first_bit_s, hop.last_bit_s, hop.arrival_s))
        .collect();
    assert_eq!(times, [(10.0, 15.0, 20.0), (20.0, 30.0, 31.0)]);
    assert_eq!((route.arrival_s, route.confidence), (31.0, 0.25));
    // 1001 bit do not fit into ten seconds at 100 bit/s.
    assert_eq!(
        earliest_arrival(&plan, NodeIndex(0), NodeIndex(2), 0.0, 1001.0),
        None
    );
    assert_eq!(
        earliest_arrival(&plan, NodeIndex(0), NodeIndex(2), 15.5, 500.0),
        None
    );
    let here = earliest_arrival(&plan, NodeIndex(1), NodeIndex(1), 7.0, 500.0).unwrap();
    assert_eq!((here.arrival_s, here.hops.len()), (7.0, 0));
    assert_eq!(
        earliest_arrivals(&plan, NodeIndex(2), 0.0, 1.0),
        [None, None, Some(0.0)]
    );
    assert_eq!(earliest_arrivals(&plan, NodeIndex(9), 0.0, 1.0), []);
    assert_eq!(earliest_arrivals(&plan, NodeIndex(0), f64::NAN, 1.0), []);
}

#[test]
fn a_later_faster_contact_can_win() {
    let plan = plan(
        2,
        &[
            (0, 1, 0.0, 1000.0, 1.0, 0.0),
            (0, 1, 1000.0, 1001.0, 1e6, 0.0),
        ],
    );
    let route = earliest_arrival(&plan, NodeIndex(0), NodeIndex(1), 500.0, 600.0).unwrap();
    assert_eq!(route.hops[0].contact, 1);
}

#[test]
fn booked_contacts_are_busy() {
    let plan = plan(
        2,
        &[
            (0, 1, 0.0, 10.0, 100.0, 1.0),
            (0, 1, 50.0, 60.0, 100.0, 1.0),
        ],
    );
    let mut router = Router::new(&plan);
    let mut arrivals = Vec::new();
    while let Some(route) = router.route(NodeIndex(0), NodeIndex(1), 0.0, 400.0) {
        arrivals.push(route.arrival_s);
        router.book(&route);
    }
    assert_eq!(arrivals, [5.0, 9.0, 55.0, 59.0]);
}

/// Every sequence of distinct contacts that starts at the sender.
fn exhaustive(
    plan: &ContactPlan,
    from: NodeIndex,
    ready_s: f64,
    size_bit: f64,
) -> Vec<Option<f64>> {
    let banned: Vec<usize> = anomalies(plan)
        .iter()
        .map(|anomaly| anomaly.contact)
        .collect();
    let mut best = vec![None; plan.nodes().len()];
    let mut stack = vec![(from, ready_s, vec![from])];
    while let Some((node, at, visited)) = stack.pop() {
        let known: &mut Option<f64> = &mut best[node.0 as usize];
        *known = Some(known.map_or(at, |t| t.min(at)));
        for (index, contact) in plan.contacts.iter().enumerate() {
            if contact.from != node || visited.contains(&contact.to) || banned.contains(&index) {
                continue;
            }
            let first = at.max(contact.start_s);
            let sending_s = if size_bit > 0.0 {
                size_bit / contact.rate.bit_per_s()
            } else {
                0.0
            };
            if first + sending_s <= contact.end_s {
                let mut visited = visited.clone();
                visited.push(contact.to);
                let arrival = first + sending_s + contact.owlt.unwrap().get();
                stack.push((contact.to, arrival, visited));
            }
        }
    }
    best
}

prop_compose! {
    fn part()(from in 0_u32..5, to in 0_u32..5, start in 0_u32..40, length in -3_i32..25,
              rate in 0_u32..4, owlt in 0_u32..6) -> (u32, u32, f64, f64, f64, f64) {
        let start = f64::from(start);
        (from, to, start, start + f64::from(length), f64::from(rate) * 2.0, f64::from(owlt))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_exhaustive_search(
        parts in prop::collection::vec(part(), 0..16), ready in 0_u32..20, size in 0_u32..20,
    ) {
        let plan = plan(5, &parts);
        let router = Router::new(&plan);
        let (ready, size) = (f64::from(ready), f64::from(size));
        let arrivals = router.arrivals(NodeIndex(0), ready, size);
        let found: Vec<Option<f64>> = arrivals.iter().map(|a| a.map(|a| a.arrival_s)).collect();
        prop_assert_eq!(&found, &exhaustive(&plan, NodeIndex(0), ready, size));
        for node in 0..5 {
            let route = router.trace(&arrivals, NodeIndex(node));
            prop_assert_eq!(route.as_ref().map(|r| r.arrival_s), found[node as usize]);
            prop_assert_eq!(&router.route(NodeIndex(0), NodeIndex(node), ready, size), &route);
            // The route can be flown as it says.
            let mut at = ready;
            for hop in route.iter().flat_map(|route| &route.hops) {
                let contact = &plan.contacts[hop.contact];
                prop_assert!(hop.first_bit_s >= at && hop.first_bit_s >= contact.start_s);
                prop_assert!(hop.last_bit_s <= contact.end_s);
                at = hop.arrival_s;
            }
        }
    }
}
