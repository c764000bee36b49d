//! From a mission file to open problems and their wiring; from a solution to schedules and key figures.
