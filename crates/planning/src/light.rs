//! When an asset has light, and how much of it in each step.

use crate::error::{ScenarioError, Source};
use crate::scenario::{Asset, File};
use crate::time::{Span, Steps, complement, join};

/// An asset's light: the share of full sun in each step, and the dark spans.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Light {
    /// From 0 to 1, one a step.
    pub share: Vec<f64>,
    /// Night, eclipse and terrain shadow, in order and apart. For a profile:
    /// the steps without any light.
    pub dark: Vec<Span>,
}

/// Spans in hours as spans in whole seconds.
pub(crate) fn seconds(from_h: f64, to_h: f64) -> Span {
    Span {
        from_s: (from_h * 3600.0).round() as i64,
        to_s: (to_h * 3600.0).round() as i64,
    }
}

pub(crate) fn light(
    source: &Source,
    file: &File,
    steps: &Steps,
    asset: &Asset,
) -> Result<Light, ScenarioError> {
    let Some(given) = &asset.light else {
        return Ok(Light {
            share: vec![1.0; steps.len()],
            dark: Vec::new(),
        });
    };
    let shadows: Vec<Span> = given
        .shadow
        .iter()
        .map(|w| seconds(w.from_h.get(), w.to_h.get()))
        .collect();
    if let Some(profile) = &given.profile {
        let covered = steps.covered_s(&shadows);
        let share: Vec<f64> = profile
            .iter()
            .enumerate()
            .map(|(t, p)| p.get() * (1.0 - covered[t] / steps.seconds(t)))
            .collect();
        let night = (0..steps.len()).filter(|&t| share[t] == 0.0).map(|t| Span {
            from_s: steps.edges_s()[t],
            to_s: steps.edges_s()[t + 1],
        });
        let dark = join(&night.chain(shadows.iter().copied()).collect::<Vec<_>>());
        return Ok(Light { share, dark });
    }
    let horizon_s = steps.horizon_s();
    let lit = crate::geometry::sunlit(file, &asset.id, given.horizon_deg, horizon_s)
        .map_err(|e| source.error(asset.id.span(), e.to_string(), "correct its place"))?;
    let mut dark = complement(&lit, horizon_s);
    dark.extend_from_slice(&shadows);
    let dark = join(&dark);
    let covered = steps.covered_s(&dark);
    let share = (0..steps.len())
        .map(|t| 1.0 - covered[t] / steps.seconds(t))
        .collect();
    Ok(Light { share, dark })
}
