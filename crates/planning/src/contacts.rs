//! Links of a scenario as spans of contact, and the contact plan of messages.

use cosmosmesh_contact::{BitRate, Contact, ContactPlan, NodeIndex, Seconds, TimeBase};

use crate::error::{ScenarioError, Source};
use crate::geometry;
use crate::scenario::{File, Id, Link};
use crate::time::{Span, join};

/// When two ends can talk, how fast and how far apart they are.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Contacts {
    /// One end.
    pub from: String,
    /// The other end; contact goes both ways.
    pub to: String,
    /// The spans of contact, in order and apart.
    pub spans: Vec<Span>,
    /// One-way delay in seconds: the longest of the plan.
    pub delay_s: f64,
    /// Rate in bits per second.
    pub rate_bit_per_s: f64,
}

/// The link between two ends, in either order. An asset is also found by its
/// place.
pub(crate) fn link_between<'a>(file: &'a File, a: &Id, b: &Id) -> Option<&'a Link> {
    let index = link_index(file, a, b)?;
    file.link.get(index)
}

/// As [`link_between`], by index.
pub(crate) fn link_index(file: &File, a: &Id, b: &Id) -> Option<usize> {
    let exact = |x: &Id, y: &Id| *x == *y;
    let placed = |x: &Id, y: &Id| {
        let at = |id: &Id| {
            let asset = file.asset.iter().find(|asset| *asset.id == *id);
            asset
                .and_then(|asset| asset.place.as_ref())
                .map(|p| (**p).clone())
        };
        *x == *y || at(x).is_some_and(|p| p == *y) || at(y).is_some_and(|p| p == *x)
    };
    let search = |same: &dyn Fn(&Id, &Id) -> bool| {
        file.link.iter().position(|l| {
            (same(&l.from, a) && same(&l.to, b)) || (same(&l.from, b) && same(&l.to, a))
        })
    };
    search(&exact).or_else(|| search(&placed))
}

/// The contacts of each link over the horizon, and all of them as a plan in
/// POSIX seconds.
pub(crate) fn contacts(
    source: &Source,
    file: &File,
    horizon_s: i64,
) -> Result<(Vec<Contacts>, ContactPlan), ScenarioError> {
    let start_s = file.mission.start_utc.unix_s();
    let mut plan = ContactPlan::new(TimeBase::Posix);
    for asset in &file.asset {
        plan.add_node(asset.id.as_str());
    }
    let mut all = Vec::new();
    for link in &file.link {
        let ends = [link.from.as_str(), link.to.as_str()].map(|name| plan.add_node(name));
        let rate_bit_per_s = link.rate_bit_per_s.get();
        let (spans, delay_s) = if link.computed {
            let found = geometry::link_plan(file, link, horizon_s).map_err(|e| {
                source.error(
                    link.from.span(),
                    e.to_string(),
                    "correct the places of its ends",
                )
            })?;
            let mut delay_s: f64 = 0.0;
            for contact in &found.contacts {
                delay_s = delay_s.max(contact.owlt.map_or(0.0, Seconds::get));
                let forward = contact.from == NodeIndex(0);
                let (from, to) = if forward { (0, 1) } else { (1, 0) };
                plan.contacts.push(Contact {
                    from: ends[from],
                    to: ends[to],
                    ..contact.clone()
                });
            }
            (join(&geometry::forward_spans(file, &found)), delay_s)
        } else {
            let whole = Span {
                from_s: 0,
                to_s: horizon_s,
            };
            let spans = match &link.window {
                None => vec![whole],
                Some(windows) => windows
                    .iter()
                    .map(|w| Span {
                        from_s: w.from_s.clamp(0, horizon_s),
                        to_s: w.to_s.clamp(0, horizon_s),
                    })
                    .collect(),
            };
            let (spans, delay_s) = (join(&spans), link.delay_s.as_ref().map_or(0.0, |d| d.get()));
            let rate = BitRate::from_bit_per_s(rate_bit_per_s);
            let rate = rate.expect("a scenario's rate is positive and finite");
            for (from, to) in [(0, 1), (1, 0)] {
                plan.contacts.extend(spans.iter().map(|s| Contact {
                    from: ends[from],
                    to: ends[to],
                    start_s: (start_s + s.from_s) as f64,
                    end_s: (start_s + s.to_s) as f64,
                    rate,
                    owlt: Seconds::new(delay_s),
                    confidence: 1.0,
                    id: None,
                }));
            }
            (spans, delay_s)
        };
        all.push(Contacts {
            from: link.from.to_string(),
            to: link.to.to_string(),
            spans,
            delay_s,
            rate_bit_per_s,
        });
    }
    Ok((all, plan))
}
