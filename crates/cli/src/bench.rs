//! `cosmosmesh bench`.

mod history;
mod log;
mod log_words;
mod rounds;
mod sync;

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
    /// The log: replay, durable append, opening, sync.
    Log(log::LogArgs),
}

pub(crate) fn run(a: &BenchArgs) -> ExitCode {
    match &a.what {
        What::Rounds(a) => rounds::run(a),
        What::Log(a) => log::run(a),
    }
}
