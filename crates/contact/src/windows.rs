//! When two assets can see each other.

use crate::asset::{Asset, Point, elevation_rad, receive};
use crate::ephemeris::Ephemeris;
use crate::error::{ContactError, ErrorKind};
use crate::interval::{Span, Window, union};
use crate::time::TdbSeconds;
use crate::vector::{segment_distance, sub};

/// Samples one search may take before it is refused.
const MAX_SAMPLES: i64 = 20_000_000;

/// Windows in which `from` can send to `to`, in the sender's time.
///
/// What is sent at `t` is received one light time later, with the receiver
/// where it is then. At a site the other end stands at or above the mask; an
/// orbiter's own body does not lie in between. Two sites on one body see each
/// other if the line between them clears the ellipsoid (their masks, made for
/// the sky, do not apply). Stellar aberration (0.006°) and refraction (up to
/// 0.1° at 10° on Earth) are left out; so are occultations by third bodies.
/// A network is in contact when one of its sites is.
///
/// The condition is sampled, its extrema between samples are searched for
/// windows and gaps that fall between two samples, and its changes of sign
/// are bisected on whole seconds, so that it holds at the first and last
/// second of each window.
///
/// # Errors
/// [`ErrorKind::Geometry`] if an asset is impossible or the span leaves the
/// ephemeris; [`ErrorKind::Limit`] if the search would be endless.
pub fn link_windows(
    ephemeris: &Ephemeris,
    from: &Asset,
    to: &Asset,
    span: Span,
) -> Result<Vec<Window>, ContactError> {
    let mut windows = Vec::new();
    let receivers = to.points(ephemeris)?;
    for sender in from.points(ephemeris)? {
        for receiver in &receivers {
            let found = point_windows(ephemeris, &sender, receiver, span)?;
            windows = union(&windows, &found);
        }
    }
    Ok(windows)
}

fn point_windows(
    ephemeris: &Ephemeris,
    from: &Point,
    to: &Point,
    span: Span,
) -> Result<Vec<Window>, ContactError> {
    if let (Point::Site(a), Point::Site(b)) = (from, to)
        && a.body == b.body
    {
        let (equatorial, polar) = (a.body.equatorial_radius_km(), a.body.polar_radius_km());
        let on_unit_sphere = |p: [f64; 3]| [p[0] / equatorial, p[1] / equatorial, p[2] / polar];
        let clearance =
            segment_distance(on_unit_sphere(a.position_km), on_unit_sphere(b.position_km));
        return Ok(if clearance >= 1.0 {
            vec![span.window()]
        } else {
            Vec::new()
        });
    }
    let step_s = from.pace_s().min(to.pace_s());
    search(span, step_s, |posix_s| {
        let at = TdbSeconds::from_posix(posix_s);
        let sent = from.fix(ephemeris, at)?;
        let (received, _) = receive(ephemeris, &sent, at, to)?;
        let mut margin = f64::INFINITY;
        for (here, there) in [(&sent, &received), (&received, &sent)] {
            if let Some((_, mask_rad)) = here.horizon {
                margin = margin.min(elevation_rad(here, there.position_km) - mask_rad);
            }
        }
        for (point, other, fix) in [(from, to, &sent), (to, from, &received)] {
            // A site's own horizon already hides what is below it.
            let orbits = |p: &Point| matches!(p, Point::Orbiter(_));
            let hides = orbits(point) && (orbits(other) || point.body() != other.body());
            if hides {
                let radius_km = point.body().equatorial_radius_km();
                let clearance_km = segment_distance(
                    sub(sent.position_km, fix.centre_km),
                    sub(received.position_km, fix.centre_km),
                );
                margin = margin.min(clearance_km / radius_km - 1.0);
            }
        }
        Ok(margin)
    })
}

/// Windows in which `margin` is at least zero.
///
/// Finds every window and gap that shows as a sign at a sample, or as an
/// extremum between neighbouring samples.
pub(crate) fn search(
    span: Span,
    step_s: f64,
    mut margin: impl FnMut(f64) -> Result<f64, ContactError>,
) -> Result<Vec<Window>, ContactError> {
    let (start_s, end_s) = (span.start_s(), span.end_s());
    let step_s = (step_s as i64).max(1);
    if (end_s - start_s) / step_s > MAX_SAMPLES {
        return Err(ContactError::new(
            ErrorKind::Limit,
            end_s - start_s,
            "too many seconds to search at the step that this orbit needs",
            "search a shorter span",
        ));
    }
    let mut samples: Vec<(i64, f64)> = Vec::new();
    let mut t = start_s;
    loop {
        samples.push((t, margin(t as f64)?));
        if t == end_s {
            break;
        }
        t = (t + step_s).min(end_s);
    }
    // Extrema of the wrong sign between samples become samples of their own.
    let mut extra = Vec::new();
    let mut brackets = Vec::new();
    for triple in samples.windows(3) {
        let [(t0, f0), (_, f1), (t2, f2)] = [triple[0], triple[1], triple[2]];
        let peak_below = f1 < 0.0 && f1 >= f0 && f1 >= f2;
        let trough_above = f0.min(f2) >= f1 && f1 >= 0.0;
        if peak_below || trough_above {
            brackets.push((t0, t2, peak_below));
        }
    }
    // At the ends of the span a slope can hide an extremum that has one
    // neighbour only.
    for pair in [samples.first_chunk::<2>(), samples.last_chunk::<2>()]
        .into_iter()
        .flatten()
    {
        let [(t0, f0), (t1, f1)] = *pair;
        if (f0 >= 0.0) == (f1 >= 0.0) {
            brackets.push((t0, t1, f0 < 0.0));
        }
    }
    for (low_s, high_s, below) in brackets {
        let sign = if below { 1.0 } else { -1.0 };
        let (at, value) = peak(low_s, high_s, |t| Ok(sign * margin(t)?))?;
        let value = sign * value;
        if (value >= 0.0) == below {
            extra.push((at, value));
        }
    }
    samples.extend(extra);
    samples.sort_by_key(|sample| sample.0);
    samples.dedup_by_key(|sample| sample.0);

    let mut windows = Vec::new();
    let mut open = (samples[0].1 >= 0.0).then_some(start_s);
    for pair in samples.windows(2) {
        let [(t0, f0), (t1, f1)] = [pair[0], pair[1]];
        if (f0 >= 0.0) == (f1 >= 0.0) {
            continue;
        }
        let (mut lower, mut upper) = (t0, t1);
        while upper - lower > 1 {
            let middle = lower + (upper - lower) / 2;
            if (margin(middle as f64)? >= 0.0) == (f0 >= 0.0) {
                lower = middle;
            } else {
                upper = middle;
            }
        }
        match open.take() {
            None => open = Some(upper),
            Some(from_s) if from_s < lower => windows.push(Window {
                start_s: from_s,
                end_s: lower,
            }),
            Some(_) => {}
        }
    }
    if let Some(from_s) = open
        && from_s < end_s
    {
        windows.push(Window {
            start_s: from_s,
            end_s,
        });
    }
    Ok(windows)
}

/// Ternary search on whole seconds for the largest value.
fn peak(
    mut low: i64,
    mut high: i64,
    mut value: impl FnMut(f64) -> Result<f64, ContactError>,
) -> Result<(i64, f64), ContactError> {
    while high - low > 2 {
        let third = (high - low) / 3;
        let (a, b) = (low + third, high - third);
        if value(a as f64)? < value(b as f64)? {
            low = a;
        } else {
            high = b;
        }
    }
    let middle = low + (high - low) / 2;
    let mut best = (middle, value(middle as f64)?);
    for t in [low, high] {
        let found = value(t as f64)?;
        if found > best.1 {
            best = (t, found);
        }
    }
    Ok(best)
}

/// Range of light time over a window, in seconds: `(least, greatest)` of start,
/// middle and end.
pub(crate) fn light_time_over(
    ephemeris: &Ephemeris,
    from: &[Point],
    to: &[Point],
    window: Window,
) -> Result<(f64, f64), ContactError> {
    let middle_s = window.start_s + window.duration_s() / 2;
    let (mut least, mut greatest) = (f64::INFINITY, 0.0_f64);
    for posix_s in [window.start_s, middle_s, window.end_s] {
        let at = TdbSeconds::from_posix(posix_s as f64);
        // Among a network's sites the way differs by at most the body's
        // radius (21 ms on Earth): the longest is on the safe side.
        let mut longest = 0.0_f64;
        for sender in from {
            let sent = sender.fix(ephemeris, at)?;
            for receiver in to {
                longest = longest.max(receive(ephemeris, &sent, at, receiver)?.1);
            }
        }
        least = least.min(longest);
        greatest = greatest.max(longest);
    }
    Ok((least, greatest))
}
