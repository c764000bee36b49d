//! Figures that were obtained with other programs (CSPICE N0067 over the same
//! kernels), and those of windows over November 2026.

use cosmosmesh_contact::{
    Asset, Body, Ephemeris, OrbitFrame, Orbiter, Site, Span, TdbSeconds, Window, complement,
    deep_space_network, format_utc, intersect, link_windows, one_way_light_time_s, parse_utc,
    sep_below_windows, total_s,
};

fn november() -> Span {
    Span::new(
        parse_utc("2026-11-01").unwrap(),
        parse_utc("2026-12-01").unwrap(),
    )
    .unwrap()
}

fn centre(body: Body) -> Asset {
    Asset::Centre {
        name: format!("{body}"),
        body,
    }
}

fn base(elevation_mask_deg: f64) -> Site {
    Site {
        name: "base".into(),
        body: Body::Moon,
        latitude_deg: -89.45,
        longitude_deg: 222.7,
        altitude_km: 0.0,
        elevation_mask_deg,
    }
}

fn relay(ascending_node_deg: f64, mean_anomaly_deg: f64) -> Asset {
    Asset::Orbiter(Orbiter {
        name: "relay".into(),
        body: Body::Moon,
        frame: OrbitFrame::BodyEquator,
        semi_major_axis_km: 5740.0,
        eccentricity: 0.58,
        inclination_deg: 54.9,
        ascending_node_deg,
        periapsis_deg: 86.3,
        mean_anomaly_deg,
        epoch: "2026-11-01T00:00:00Z".into(),
    })
}

fn share_and_gap_h(windows: &[Window]) -> (f64, f64) {
    let span = november();
    let gap = complement(windows, span)
        .iter()
        .map(Window::duration_s)
        .max()
        .unwrap_or(0);
    (
        100.0 * total_s(windows) as f64 / span.window().duration_s() as f64,
        gap as f64 / 3_600.0,
    )
}

#[test]
fn earth_to_moon() {
    let ephemeris = Ephemeris::de440_excerpt();
    let at = TdbSeconds::from_posix(parse_utc("2026-11-20").unwrap() as f64);
    let earth = ephemeris.position_km(Body::Earth, at).unwrap();
    let moon = ephemeris.position_km(Body::Moon, at).unwrap();
    let distance_km = (0..3)
        .map(|axis| (earth[axis] - moon[axis]).powi(2))
        .sum::<f64>()
        .sqrt();
    assert!(
        (distance_km - 383_937.344_232_568).abs() < 1e-6,
        "{distance_km}"
    );
    assert!((distance_km / 299_792.458 - 1.280_677).abs() < 1e-6);
}

/// The published check value treats the site's coordinates as principal-axes
/// ones, asks that the Earth's *centre* be above the base's horizon, and puts
/// the 10° mask on the antennas.
#[test]
fn direct_to_earth_as_published() {
    let ephemeris = Ephemeris::de440_excerpt();
    let site = base(0.0).from_lunar_principal_axes();
    let above = link_windows(
        ephemeris,
        &Asset::Site(site.clone()),
        &centre(Body::Earth),
        november(),
    );
    let unmasked = Asset::Site(Site {
        elevation_mask_deg: -90.0,
        ..site
    });
    let dsn = Asset::Network(deep_space_network(10.0));
    let antennas = link_windows(ephemeris, &unmasked, &dsn, november()).unwrap();
    let (share, gap_h) = share_and_gap_h(&intersect(&above.unwrap(), &antennas));
    println!("direct to Earth, as published: {share:.3} % {gap_h:.3} h");
    assert!((share - 44.4).abs() < 0.05, "{share}");
    assert!((gap_h - 367.9).abs() < 0.06, "{gap_h}");
}

/// What a link really sees: the antenna itself, 0.95° of parallax included,
/// above a horizon in mean-Earth axes.
#[test]
fn direct_to_earth() {
    let dsn = Asset::Network(deep_space_network(10.0));
    let windows = link_windows(
        Ephemeris::de440_excerpt(),
        &Asset::Site(base(0.0)),
        &dsn,
        november(),
    )
    .unwrap();
    let (share, gap_h) = share_and_gap_h(&windows);
    println!(
        "direct to Earth: {share:.3} % {gap_h:.3} h, {} windows",
        windows.len()
    );
    assert!((share - 45.2).abs() < 0.1, "{share}");
    assert!((gap_h - 348.7).abs() < 0.1, "{gap_h}");
}

#[test]
fn relay_passes() {
    let ephemeris = Ephemeris::de440_excerpt();
    let site = Asset::Site(base(5.0));
    let windows = link_windows(ephemeris, &site, &relay(0.0, 180.0), november()).unwrap();
    let (share, gap_h) = share_and_gap_h(&windows);
    println!(
        "relay: {share:.3} % {gap_h:.3} h, {} windows",
        windows.len()
    );
    assert_eq!(windows.len(), 67);
    assert!((share - 72.2).abs() < 0.05, "{share}");
    assert!((gap_h - 3.0).abs() < 0.05, "{gap_h}");
}

/// The same elements in the Earth-orbit-plane frame, by CSPICE: 73.02 %, 67.
#[test]
fn relay_in_the_orbit_plane_frame() {
    let Asset::Orbiter(elements) = relay(0.0, 0.0) else {
        unreachable!()
    };
    let relay = Asset::Orbiter(Orbiter {
        frame: OrbitFrame::EarthOrbitPlane,
        ..elements
    });
    let site = Asset::Site(base(5.0));
    let windows = link_windows(Ephemeris::de440_excerpt(), &site, &relay, november()).unwrap();
    assert_eq!(windows.len(), 67);
    assert!((share_and_gap_h(&windows).0 - 73.02).abs() < 0.02);
}

#[test]
fn mars_light_time_and_conjunction() {
    let ephemeris = Ephemeris::de440_excerpt();
    let (earth, mars) = (centre(Body::Earth), centre(Body::Mars));
    let start = parse_utc("2026-01-01").unwrap() + 86_400;
    let end = parse_utc("2028-12-31").unwrap();
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for hour in 0..(end - start) / 3_600 {
        let owlt =
            one_way_light_time_s(ephemeris, &earth, &mars, (start + 3_600 * hour) as f64).unwrap();
        least = least.min(owlt / 60.0);
        most = most.max(owlt / 60.0);
    }
    println!("Mars: {least:.4} to {most:.4} min");
    assert!((least - 5.64).abs() < 0.005, "{least}");
    assert!((most - 20.06).abs() < 0.005, "{most}");
    let span = Span::new(start, end).unwrap();
    let conjunctions: Vec<(String, String)> = sep_below_windows(ephemeris, Body::Mars, 3.0, span)
        .unwrap()
        .iter()
        .map(|window| (format_utc(window.start_s), format_utc(window.end_s)))
        .collect();
    // The first is under way when the ephemeris begins.
    assert_eq!(conjunctions.len(), 2);
    assert_eq!(conjunctions[1].0, "2028-03-07T19:14:33Z");
    assert_eq!(conjunctions[1].1, "2028-04-03T17:28:36Z");
}
