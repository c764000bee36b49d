//! Elevations, orbits, windows and eclipses, against CSPICE N0067 and against
//! a plain scan.

use cosmosmesh_contact::{
    Asset, BitRate, Body, Ephemeris, ErrorKind, LinkTerms, OrbitFrame, Orbiter, PlanBuilder, Site,
    Span, TdbSeconds, Window, complement, deep_space_network, eclipse_windows, elevation_deg,
    format_utc, intersect, link_windows, one_way_light_time_s, parse_utc, sun_elevation_deg,
    sunlit_windows, total_s, union, window_report,
};

fn posix(text: &str) -> f64 {
    parse_utc(text).unwrap() as f64
}

fn span(start: &str, end: &str) -> Span {
    Span::new(parse_utc(start).unwrap(), parse_utc(end).unwrap()).unwrap()
}

fn site(body: Body, latitude_deg: f64, longitude_deg: f64, altitude_km: f64, mask: f64) -> Site {
    Site {
        name: format!("site {latitude_deg}"),
        body,
        latitude_deg,
        longitude_deg,
        altitude_km,
        elevation_mask_deg: mask,
    }
}

fn centre(body: Body) -> Asset {
    Asset::Centre {
        name: "centre".into(),
        body,
    }
}

fn relay() -> Orbiter {
    Orbiter {
        name: "relay".into(),
        body: Body::Moon,
        frame: OrbitFrame::BodyEquator,
        semi_major_axis_km: 5740.0,
        eccentricity: 0.58,
        inclination_deg: 54.9,
        ascending_node_deg: 0.0,
        periapsis_deg: 86.3,
        mean_anomaly_deg: 180.0,
        epoch: "2026-11-01T00:00:00Z".into(),
    }
}

/// About 400 km over Mars.
fn mars_orbiter() -> Orbiter {
    Orbiter {
        name: "mro".into(),
        body: Body::Mars,
        semi_major_axis_km: 3796.0,
        eccentricity: 0.001,
        inclination_deg: 92.6,
        ascending_node_deg: 90.0,
        ..relay()
    }
}

#[test]
fn elevations_agree_with_cspice() {
    let ephemeris = Ephemeris::de440_excerpt();
    let goldstone = site(Body::Earth, 35.4259, 243.1105, 1.0, 0.0);
    let base = site(Body::Moon, -89.45, 222.7, 0.0, 0.0);
    let jezero = site(Body::Mars, 18.44, 77.45, -2.5, 0.0);
    let november = posix("2026-11-20T06:00:00Z");
    let may = posix("2028-05-05T17:00:00Z");
    for (found, expected) in [
        (
            elevation_deg(ephemeris, &goldstone, &centre(Body::Moon), november),
            44.291_188_083_733_64,
        ),
        (
            sun_elevation_deg(ephemeris, &base, november),
            0.997_868_981_005_724_6,
        ),
        (
            elevation_deg(ephemeris, &jezero, &centre(Body::Earth), may),
            -85.469_926_071_487_7,
        ),
        (
            sun_elevation_deg(ephemeris, &jezero, may),
            -78.549_009_970_012_3,
        ),
    ] {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-8, "{found} {expected}");
    }
}

#[test]
fn light_time_agrees_with_cspice() {
    let found = one_way_light_time_s(
        Ephemeris::de440_excerpt(),
        &centre(Body::Earth),
        &centre(Body::Mars),
        posix("2028-05-05T17:00:00Z"),
    )
    .unwrap();
    assert!((found - 1_203.470_628_836_529).abs() < 1e-8, "{found}");
}

#[test]
fn orbits_agree_with_cspice() {
    let at = posix("2027-03-23T21:21:18Z");
    let found = relay().position_km(Ephemeris::de440_excerpt(), at).unwrap();
    // `conics` with the same elements at the same UTC.
    let expected = [
        4_473.954_569_498_708,
        -434.528_915_124_756_85,
        -2_675.343_228_237_755,
    ];
    for axis in 0..3 {
        assert!((found[axis] - expected[axis]).abs() < 1e-5, "{found:?}");
    }
}

#[test]
fn utc_is_read_and_written() {
    assert_eq!(parse_utc("1970-01-01").unwrap(), 0);
    assert_eq!(parse_utc("2026-11-20T00:00:00Z").unwrap(), 1_795_132_800);
    assert_eq!(format_utc(1_795_132_800), "2026-11-20T00:00:00Z");
    assert_eq!(format_utc(-1), "1969-12-31T23:59:59Z");
    for text in [
        "",
        "2026-02-29",
        "2026-13-01",
        "26-01-01",
        "2026-01-01T24:00:00Z",
        "2026-01-01T1:é:00",
    ] {
        assert_eq!(
            parse_utc(text).unwrap_err().kind,
            ErrorKind::Value,
            "{text}"
        );
    }
    // NAIF's `str2et` of the same instants.
    assert_eq!(
        TdbSeconds::from_posix(posix("2000-01-01T12:00:00Z"))
            .0
            .round(),
        64.0
    );
    assert_eq!(
        TdbSeconds::from_posix(posix("2026-11-20")).0.round(),
        848_404_869.0
    );
}

/// A scan at 20 s must see the same windows: none missed, none invented, and
/// the ends are right to the second (the scan leaves out the light time of
/// some milliseconds).
#[test]
fn windows_agree_with_a_scan() {
    let ephemeris = Ephemeris::de440_excerpt();
    let jezero = site(Body::Mars, 18.44, 77.45, -2.5, 10.0);
    let orbiter = Asset::Orbiter(mars_orbiter());
    let span = span("2026-11-01", "2026-11-06");
    let windows = link_windows(ephemeris, &Asset::Site(jezero.clone()), &orbiter, span).unwrap();
    assert!(windows.len() > 8, "{}", windows.len());
    let visible = |posix_s: i64| {
        // The light time is a few milliseconds here.
        elevation_deg(ephemeris, &jezero, &orbiter, posix_s as f64).unwrap() >= 10.0
    };
    let mut differing = 0;
    for posix_s in (span.start_s()..span.end_s()).step_by(20) {
        let inside = windows.iter().any(|window| window.contains(posix_s));
        differing += usize::from(inside != visible(posix_s));
    }
    assert_eq!(differing, 0);
    for window in &windows {
        assert!(visible(window.start_s + 1) && visible(window.end_s - 1));
        assert!(!visible(window.start_s - 2) && !visible(window.end_s + 2));
    }
}

/// A search that starts or ends inside a window, a gap, or between two close
/// changes agrees with the search over the whole.
#[test]
fn parts_of_a_span_agree_with_the_whole() {
    let ephemeris = Ephemeris::de440_excerpt();
    let base = Asset::Site(site(Body::Mars, 18.44, 77.45, -2.5, 10.0));
    let orbiter = Asset::Orbiter(mars_orbiter());
    let whole = link_windows(ephemeris, &base, &orbiter, span("2026-11-01", "2026-11-04")).unwrap();
    let (first, last) = (whole[1], whole[3]);
    for cut_s in [-400, -100, -30, -3, 3, 30, 100] {
        for end_s in [-20, 20, 5] {
            let part = Span::new(first.start_s + cut_s, last.start_s + end_s).unwrap();
            let found = link_windows(ephemeris, &base, &orbiter, part).unwrap();
            assert_eq!(
                found,
                intersect(&whole, &[part.window()]),
                "{cut_s} {end_s}"
            );
            let short = Span::new(first.start_s + cut_s, first.end_s + 100).unwrap();
            let found = link_windows(ephemeris, &base, &orbiter, short).unwrap();
            assert_eq!(found, intersect(&whole, &[short.window()]), "{cut_s}");
        }
    }
}

#[test]
fn the_body_hides_its_orbiter() {
    let ephemeris = Ephemeris::de440_excerpt();
    let span = span("2026-11-01", "2026-11-03");
    let orbiter = Asset::Orbiter(mars_orbiter());
    let windows = link_windows(ephemeris, &orbiter, &centre(Body::Earth), span).unwrap();
    let period_s = mars_orbiter().period_s();
    let orbits = 2.0 * 86_400.0 / period_s;
    assert!(
        (windows.len() as f64 - orbits).abs() <= 2.0,
        "{} windows, {orbits} orbits",
        windows.len()
    );
    // Hidden for at most asin(R/a)/180° of each orbit.
    let most_s = period_s * 2.0 * (3396.19_f64 / (3796.0 * 0.999)).asin() / std::f64::consts::TAU;
    for gap in complement(&windows, span) {
        assert!(
            gap.duration_s() as f64 <= most_s + 60.0,
            "{}",
            gap.duration_s()
        );
    }
}

#[test]
fn sites_on_one_body_see_each_other_over_the_horizon() {
    let ephemeris = Ephemeris::de440_excerpt();
    let span = span("2026-11-01", "2026-11-02");
    let mast =
        |latitude, altitude_km| Asset::Site(site(Body::Moon, latitude, 0.0, altitude_km, 10.0));
    // 2 km masts reach 83 km each; 0.1° are 3 km, 10° are 303 km.
    assert_eq!(
        link_windows(ephemeris, &mast(0.0, 0.01), &mast(0.1, 0.01), span).unwrap(),
        [span.window()]
    );
    assert_eq!(
        link_windows(ephemeris, &mast(0.0, 0.01), &mast(10.0, 0.01), span).unwrap(),
        []
    );
}

/// The total lunar eclipse of 2026-03-03: U1 09:50, U4 13:17 UTC for the Moon
/// as a whole (NASA, F. Espenak); a point near its middle lies in the umbra in
/// between, and the Earth's atmosphere, left out here, widens the umbra by 1 %.
#[test]
fn lunar_eclipse_of_march_2026() {
    let ephemeris = Ephemeris::de440_excerpt();
    let near_side = Asset::Site(site(Body::Moon, 0.0, 0.0, 0.0, 0.0));
    let span = span("2026-03-01", "2026-03-06");
    let windows = eclipse_windows(ephemeris, &near_side, span).unwrap();
    assert_eq!(windows.len(), 1);
    let window = windows[0];
    assert!(window.start_s > parse_utc("2026-03-03T09:50:00Z").unwrap());
    assert!(window.end_s < parse_utc("2026-03-03T13:17:00Z").unwrap());
    // Greatest eclipse is at 11:34.
    assert!(
        (window.start_s + window.end_s - 2 * parse_utc("2026-03-03T11:34:00Z").unwrap()).abs()
            < 1_200
    );
    assert!(window.duration_s() > 6_000, "{}", window.duration_s());
    let lit = sunlit_windows(ephemeris, &near_side, 0.0, span).unwrap();
    assert!(intersect(&lit, &windows).is_empty());
}

#[test]
fn orbiters_pass_through_shadow() {
    let ephemeris = Ephemeris::de440_excerpt();
    let span = span("2026-11-01", "2026-11-08");
    let orbiter = Asset::Orbiter(mars_orbiter());
    let dark = eclipse_windows(ephemeris, &orbiter, span).unwrap();
    let lit = sunlit_windows(ephemeris, &orbiter, 0.0, span).unwrap();
    assert!(dark.len() > 50, "{}", dark.len());
    // Lit and dark fill the week up to one second at each change.
    let changes = (dark.len() + lit.len()) as i64;
    let missing = span.window().duration_s() - total_s(&union(&dark, &lit));
    assert!((0..=changes).contains(&missing), "{missing}");
}

#[test]
fn builder_makes_a_plan() {
    let ephemeris = Ephemeris::de440_excerpt();
    let rate = |bit_per_s| BitRate::from_bit_per_s(bit_per_s).unwrap();
    let terms = LinkTerms {
        forward: rate(1e6),
        back: rate(2e3),
        min_duration_s: 60,
    };
    let mut builder = PlanBuilder::new();
    builder
        .asset(Asset::Site(Site {
            name: "base".into(),
            ..site(Body::Moon, -89.45, 222.7, 0.0, 5.0)
        }))
        .unwrap()
        .asset(Asset::Orbiter(relay()))
        .unwrap()
        .asset(Asset::Network(deep_space_network(10.0)))
        .unwrap()
        .asset(centre(Body::Mars))
        .unwrap();
    builder
        .link("base", "relay", terms)
        .unwrap()
        .link("relay", "dsn", terms)
        .unwrap();
    builder
        .link(
            "dsn",
            "centre",
            LinkTerms {
                back: rate(0.0),
                ..terms
            },
        )
        .unwrap();
    assert!(builder.link("base", "nobody", terms).is_err());
    assert!(builder.asset(Asset::Orbiter(relay())).is_err());
    let plan = builder
        .build(ephemeris, span("2026-11-01", "2026-11-08"))
        .unwrap();
    let (base, dsn) = (plan.node("base").unwrap(), plan.node("dsn").unwrap());
    assert!(cosmosmesh_contact::anomalies(&plan).is_empty());
    let route =
        cosmosmesh_contact::earliest_arrival(&plan, base, dsn, posix("2026-11-02"), 1e6).unwrap();
    assert_eq!(route.hops.len(), 2);
    for contact in &plan.contacts {
        assert_eq!((contact.start_s.fract(), contact.end_s.fract()), (0.0, 0.0));
    }
    // The way to Mars is cut so that no piece drifts by more than a second.
    let to_mars: Vec<_> = plan
        .contacts
        .iter()
        .filter(|contact| contact.from == dsn)
        .collect();
    assert!(to_mars.len() > 8);
    let again = builder
        .build(ephemeris, span("2026-11-01", "2026-11-08"))
        .unwrap();
    assert_eq!(again, plan);
}

#[test]
fn impossible_assets_and_times_are_refused() {
    let ephemeris = Ephemeris::de440_excerpt();
    let week = span("2026-11-01", "2026-11-08");
    let earth = centre(Body::Earth);
    let kind = |asset: Asset, span| {
        link_windows(ephemeris, &asset, &earth, span)
            .unwrap_err()
            .kind
    };
    assert_eq!(
        kind(Asset::Site(site(Body::Moon, 91.0, 0.0, 0.0, 0.0)), week),
        ErrorKind::Geometry
    );
    assert_eq!(
        kind(Asset::Site(site(Body::Moon, f64::NAN, 0.0, 0.0, 0.0)), week),
        ErrorKind::Geometry
    );
    assert_eq!(
        kind(
            Asset::Orbiter(Orbiter {
                eccentricity: 0.8,
                ..relay()
            }),
            week
        ),
        ErrorKind::Geometry
    );
    assert_eq!(
        kind(
            Asset::Orbiter(Orbiter {
                semi_major_axis_km: f64::INFINITY,
                ..relay()
            }),
            week
        ),
        ErrorKind::Geometry
    );
    assert_eq!(
        kind(Asset::Orbiter(relay()), span("2025-12-01", "2026-02-01")),
        ErrorKind::Geometry
    );
    assert_eq!(
        kind(
            Asset::Orbiter(Orbiter {
                frame: OrbitFrame::EarthOrbitPlane,
                ..mars_orbiter()
            }),
            week
        ),
        ErrorKind::Geometry
    );
    assert!(Span::new(0, 0).is_err() && Span::new(i64::MIN, i64::MAX).is_err());
    assert!(sunlit_windows(ephemeris, &earth, 0.0, week).is_err());
}

#[test]
fn assets_in_a_line() {
    let report = window_report(
        Ephemeris::de440_excerpt(),
        &Asset::from_spec("moon@-89.45,222.7,mask=5", Some("base")).unwrap(),
        &Asset::from_spec(
            "moon:a=5740,e=0.58,i=54.9,peri=86.3,mean=180,epoch=2026-11-01",
            None,
        )
        .unwrap(),
        span("2026-11-01", "2026-12-01"),
    )
    .unwrap();
    assert_eq!(
        (
            report.from.as_str(),
            report.windows.len(),
            report.light_time_s.len()
        ),
        ("base", 67, 67)
    );
    assert!(matches!(
        Asset::from_spec("dsn,mask=6", None),
        Ok(Asset::Network(_))
    ));
    for spec in [
        "",
        "x",
        "moon@",
        "moon@1",
        "moon@1,2,x",
        "moon@1,nan",
        "moon:a=1",
        "dsn,mask",
        "earth,mask=1",
        "@",
        ":",
    ] {
        assert!(Asset::from_spec(spec, None).is_err(), "{spec}");
    }
}

#[test]
fn assets_in_json() {
    let text = r#"[
        {"kind": "site", "name": "base", "body": "moon", "latitude_deg": -89.45, "longitude_deg": 222.7},
        {"kind": "orbiter", "name": "relay", "body": "moon", "semi_major_axis_km": 5740, "eccentricity": 0.58,
         "inclination_deg": 54.9, "periapsis_deg": 86.3, "frame": "earth_orbit_plane", "epoch": "2026-11-01"},
        {"kind": "network", "name": "dsn", "sites": []},
        {"kind": "centre", "name": "mars", "body": "mars"}
    ]"#;
    let assets: Vec<Asset> = serde_json::from_str(text).unwrap();
    assert_eq!(
        assets.iter().map(Asset::name).collect::<Vec<_>>(),
        ["base", "relay", "dsn", "mars"]
    );
    let again: Vec<Asset> = serde_json::from_str(&serde_json::to_string(&assets).unwrap()).unwrap();
    assert_eq!(again, assets);
    let misspelt = text.replace("periapsis_deg", "perigee_deg");
    assert!(serde_json::from_str::<Vec<Asset>>(&misspelt).is_err());
}

#[test]
fn damaged_ephemerides_never_panic() {
    let bytes = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/data/de440-excerpt-2026-2031.bsp"
    ))
    .unwrap();
    assert!(Ephemeris::from_bytes(&bytes).is_ok());
    for length in [
        0,
        7,
        96,
        1023,
        1024,
        62_464,
        63_000,
        100_000,
        bytes.len() - 1,
    ] {
        assert!(Ephemeris::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
    let mut state = 1_u64;
    for _ in 0..3_000 {
        let mut damaged = bytes.clone();
        for _ in 0..3 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // Header, summaries, or the end of a segment.
            let at = match state >> 62 {
                0 => (state >> 33) as usize % 1_024,
                1 => {
                    8 * [8_065_usize, 12_783, 14_817, 18_846, 37_587][(state >> 40) as usize % 5]
                        - (state >> 33) as usize % 32
                        - 1
                }
                _ => 61 * 1_024 + (state >> 33) as usize % 256,
            };
            damaged[at] = (state >> 24) as u8;
        }
        if let Ok(ephemeris) = Ephemeris::from_bytes(&damaged) {
            for body in [Body::Sun, Body::Earth, Body::Moon, Body::Mars] {
                let _ = ephemeris.position_km(body, TdbSeconds(848_404_869.0));
            }
        }
    }
}

#[test]
fn windows_are_sets() {
    let window = |start_s, end_s| Window { start_s, end_s };
    let (a, b) = (
        [window(0, 10), window(20, 30)],
        [window(5, 22), window(30, 40)],
    );
    assert_eq!(union(&a, &b), [window(0, 40)]);
    assert_eq!(intersect(&a, &b), [window(5, 10), window(20, 22)]);
    let span = Span::new(-5, 35).unwrap();
    assert_eq!(
        complement(&a, span),
        [window(-5, 0), window(10, 20), window(30, 35)]
    );
}
