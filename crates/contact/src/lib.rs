//! Contact plans: formats, windows from ephemerides, earliest arrival.
