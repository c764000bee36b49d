//! From assets and links to a contact plan.

use crate::asset::Asset;
use crate::ephemeris::Ephemeris;
use crate::error::{ContactError, ErrorKind};
use crate::interval::{Span, Window};
use crate::plan::{Contact, ContactPlan, TimeBase};
use crate::units::{BitRate, Seconds};
use crate::windows::{light_time_over, link_windows};

/// How two assets talk when they see each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkTerms {
    /// Rate from the first to the second asset.
    pub forward: BitRate,
    /// Rate back; zero leaves that direction out.
    pub back: BitRate,
    /// Windows shorter than this are dropped, in seconds.
    pub min_duration_s: i64,
}

/// Collects assets and links, then finds the windows.
///
/// Contacts get POSIX times in whole seconds and a light time that is the
/// greatest over the contact, rounded up to the microsecond. A contact over
/// which light time drifts by more than a second is cut in two (ION's bound,
/// ionrc(5): "constant to within one light second").
#[derive(Debug, Clone, Default)]
pub struct PlanBuilder {
    assets: Vec<Asset>,
    links: Vec<(usize, usize, LinkTerms)>,
}

impl PlanBuilder {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an asset; its name becomes a node's.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if the name is empty or taken.
    pub fn asset(&mut self, asset: Asset) -> Result<&mut Self, ContactError> {
        if asset.name().is_empty() || self.place(asset.name()).is_some() {
            return Err(ContactError::new(
                ErrorKind::Value,
                asset.name(),
                "an asset's name is empty or taken",
                "give each asset a name of its own",
            ));
        }
        self.assets.push(asset);
        Ok(self)
    }

    /// Links two assets that were added before.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if one of them is unknown or both are the same.
    pub fn link(
        &mut self,
        from: &str,
        to: &str,
        terms: LinkTerms,
    ) -> Result<&mut Self, ContactError> {
        let place = |name: &str| {
            self.place(name).ok_or_else(|| {
                ContactError::new(
                    ErrorKind::Value,
                    name,
                    "a link ends at an unknown asset",
                    "add the asset before the link",
                )
            })
        };
        let (from_place, to_place) = (place(from)?, place(to)?);
        if from_place == to_place {
            return Err(ContactError::new(
                ErrorKind::Value,
                from,
                "a link begins and ends at one asset",
                "link two assets",
            ));
        }
        self.links.push((from_place, to_place, terms));
        Ok(self)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.assets.iter().position(|asset| asset.name() == name)
    }

    /// The plan over a span: nodes in the order of the assets, contacts in
    /// that of links, directions and time.
    ///
    /// # Errors
    /// As [`link_windows`].
    pub fn build(&self, ephemeris: &Ephemeris, span: Span) -> Result<ContactPlan, ContactError> {
        let mut plan = ContactPlan::new(TimeBase::Posix);
        for asset in &self.assets {
            plan.add_node(asset.name());
        }
        for &(a, b, terms) in &self.links {
            for (from, to, rate) in [(a, b, terms.forward), (b, a, terms.back)] {
                if rate.bit_per_s() == 0.0 {
                    continue;
                }
                let (from, to) = (&self.assets[from], &self.assets[to]);
                for window in link_windows(ephemeris, from, to, span)? {
                    if window.duration_s() >= terms.min_duration_s {
                        add(&mut plan, ephemeris, (from, to), window, rate)?;
                    }
                }
            }
        }
        Ok(plan)
    }
}

fn add(
    plan: &mut ContactPlan,
    ephemeris: &Ephemeris,
    (from, to): (&Asset, &Asset),
    window: Window,
    rate: BitRate,
) -> Result<(), ContactError> {
    let (senders, receivers) = (from.points(ephemeris)?, to.points(ephemeris)?);
    let (from, to) = (plan.add_node(from.name()), plan.add_node(to.name()));
    let mut open = vec![window];
    while let Some(window) = open.pop() {
        let (least_s, greatest_s) = light_time_over(ephemeris, &senders, &receivers, window)?;
        if greatest_s - least_s > 1.0 && window.duration_s() > 1 {
            let middle_s = window.start_s + window.duration_s() / 2;
            open.push(Window {
                start_s: middle_s,
                ..window
            });
            open.push(Window {
                end_s: middle_s,
                ..window
            });
            continue;
        }
        let owlt = Seconds::new((greatest_s * 1e6).ceil() / 1e6).ok_or_else(|| {
            ContactError::new(
                ErrorKind::Geometry,
                greatest_s,
                "the light time between the ends of a link, in s, is no finite number",
                "give places nearer to each other",
            )
        })?;
        plan.contacts.push(Contact {
            from,
            to,
            start_s: window.start_s as f64,
            end_s: window.end_s as f64,
            rate,
            owlt: Some(owlt),
            confidence: 1.0,
            id: None,
        });
    }
    Ok(())
}
