//! Links of a scenario as spans of contact, and the contact plan of messages.

use crate::error::{ScenarioError, Source};
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
            asset.and_then(|asset| asset.place.as_ref()).map(|p| (**p).clone())
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

/// The contacts of each link over the horizon.
pub(crate) fn contacts(
    source: &Source,
    file: &File,
    horizon_s: i64,
) -> Result<Vec<Contacts>, ScenarioError> {
    file.link
        .iter()
        .map(|link| {
            let (spans, delay_s) = if link.computed {
                return Err(source.error(
                    link.from.span(),
                    "computed links are not available yet",
                    "list the windows",
                ));
            } else if let Some(windows) = &link.window {
                let spans: Vec<Span> = windows
                    .iter()
                    .map(|w| Span {
                        from_s: w.from_s.max(0),
                        to_s: w.to_s.min(horizon_s),
                    })
                    .collect();
                (join(&spans), link.delay_s.as_ref().map_or(0.0, |d| d.get()))
            } else {
                let whole = Span {
                    from_s: 0,
                    to_s: horizon_s,
                };
                (vec![whole], link.delay_s.as_ref().map_or(0.0, |d| d.get()))
            };
            Ok(Contacts {
                from: link.from.to_string(),
                to: link.to.to_string(),
                spans,
                delay_s,
                rate_bit_per_s: link.rate_bit_per_s.get(),
            })
        })
        .collect()
}
