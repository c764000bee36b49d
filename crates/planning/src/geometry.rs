//! Windows and light from the ephemerides, by the contact crate.

use cosmosmesh_contact as sky;

use crate::number::{At, Real};
use crate::scenario::{Axes, Body, File, Id, Link};
use crate::time::Span;

fn body(body: Body) -> sky::Body {
    match body {
        Body::Earth => sky::Body::Earth,
        Body::Moon => sky::Body::Moon,
        Body::Mars => sky::Body::Mars,
    }
}

/// The end of a link, or the place of an asset, as the contact crate has it,
/// under the name that the scenario uses. `mask_deg` replaces a site's own.
fn locate(file: &File, id: &Id, mask_deg: Option<f64>) -> Option<sky::Asset> {
    let name = id.to_string();
    let asset = file.asset.iter().find(|a| *a.id == *id);
    let place: &Id = match asset {
        Some(asset) => asset.place.as_ref().map(At::value)?,
        None => id,
    };
    if let Some(site) = file.site.iter().find(|s| *s.id == *place) {
        return Some(sky::Asset::Site(sky::Site {
            name,
            body: body(site.body),
            latitude_deg: site.latitude_deg.get(),
            longitude_deg: site.longitude_deg.get(),
            altitude_km: site.height_m.get() / 1e3,
            elevation_mask_deg: mask_deg.unwrap_or(site.mask_deg.get()),
        }));
    }
    if let Some(orbiter) = file.orbiter.iter().find(|o| *o.id == *place) {
        return Some(sky::Asset::Orbiter(sky::Orbiter {
            name,
            body: body(orbiter.body),
            frame: match orbiter.axes {
                Axes::BodyEquator => sky::OrbitFrame::BodyEquator,
                Axes::EarthOrbitPlane => sky::OrbitFrame::EarthOrbitPlane,
            },
            semi_major_axis_km: orbiter.semi_major_axis_km.get(),
            eccentricity: orbiter.eccentricity.get(),
            inclination_deg: orbiter.inclination_deg.get(),
            ascending_node_deg: orbiter.ascending_node_deg.get(),
            periapsis_deg: orbiter.periapsis_argument_deg.get(),
            mean_anomaly_deg: orbiter.mean_anomaly_deg.get(),
            epoch: sky::format_utc(file.mission.start_utc.unix_s()),
        }));
    }
    let network = file.network.iter().find(|n| *n.id == *place)?;
    let mut dsn = sky::deep_space_network(network.mask_deg.get());
    dsn.name = name;
    Some(sky::Asset::Network(dsn))
}

fn horizon(file: &File, horizon_s: i64) -> Result<sky::Span, sky::ContactError> {
    let start_s = file.mission.start_utc.unix_s();
    sky::Span::new(start_s, start_s + horizon_s)
}

fn relative(file: &File, start_s: i64, end_s: i64) -> Span {
    let origin_s = file.mission.start_utc.unix_s();
    Span {
        from_s: start_s - origin_s,
        to_s: end_s - origin_s,
    }
}

/// The contacts of a computed link, both ways, in POSIX seconds.
pub(crate) fn link_plan(
    file: &File,
    link: &Link,
    horizon_s: i64,
) -> Result<sky::ContactPlan, sky::ContactError> {
    let mask_deg = link.mask_deg.as_ref().map(|m| m.get());
    let rate = sky::BitRate::from_bit_per_s(link.rate_bit_per_s.get());
    let rate = rate.expect("a scenario's rate is positive and finite");
    let terms = sky::LinkTerms {
        forward: rate,
        back: rate,
        min_duration_s: i64::from(*file.mission.minimum_contact_s),
    };
    let mut builder = sky::PlanBuilder::new();
    for end in [&link.from, &link.to] {
        let at = locate(file, end, mask_deg)
            .expect("a scenario that is read places the ends of a computed link");
        builder.asset(at)?;
    }
    builder.link(link.from.as_str(), link.to.as_str(), terms)?;
    builder.build(sky::Ephemeris::de440_excerpt(), horizon(file, horizon_s)?)
}

/// The spans of the contacts that leave a plan's first node.
pub(crate) fn forward_spans(file: &File, plan: &sky::ContactPlan) -> Vec<Span> {
    let first = sky::NodeIndex(0);
    plan.contacts
        .iter()
        .filter(|c| c.from == first)
        .map(|c| relative(file, c.start_s as i64, c.end_s as i64))
        .collect()
}

/// The spans in which a place has sunlight.
pub(crate) fn sunlit(
    file: &File,
    asset: &Id,
    horizon_deg: Option<Real>,
    horizon_s: i64,
) -> Result<Vec<Span>, sky::ContactError> {
    let at = locate(file, asset, None)
        .expect("a scenario that is read places what its light is computed for");
    let least_deg = horizon_deg.map_or(0.0, Real::get);
    let windows = sky::sunlit_windows(
        sky::Ephemeris::de440_excerpt(),
        &at,
        least_deg,
        horizon(file, horizon_s)?,
    )?;
    Ok(windows
        .iter()
        .map(|w| relative(file, w.start_s, w.end_s))
        .collect())
}
