//! Convex problems, their composition, local solvers, distributed methods and certificates. No mission words.
