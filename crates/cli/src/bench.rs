//! `cosmosmesh bench`.

mod rounds;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Measure, all methods side by side in one run.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Rounds to a certified gap, from cold.
    Rounds(rounds::RoundsArgs),
}

pub(crate) fn run(a: &BenchArgs) -> ExitCode {
    match &a.what {
        What::Rounds(a) => rounds::run(a),
    }
}
