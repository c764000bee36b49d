//! The vocabulary of a mission: the eight primitives, typed ids, units, time grids and their canonical encoding. No I/O.
