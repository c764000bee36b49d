//! The command line: a function from arguments to an exit code.
//!
//! Exit codes: 0 done, 1 the result is not what was asked for (a plan that
//! violates something, a broken law), 2 bad input (nothing was written).

mod bench;
mod contacts;
mod laws;
mod log;
mod plan;
mod run;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Agreed plans for assets that hide their models from each other.
#[derive(Debug, Parser)]
#[command(name = "cosmosmesh", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agreement of a scenario to a certified plan.
    Run(run::RunArgs),
    /// Look at contact plans, convert them, find windows from geometry.
    Contacts(contacts::ContactsArgs),
    /// Look at, check and mend a log in a folder.
    Log(log::LogArgs),
    /// Look at what was agreed: allotments, leases, requests that collide.
    Plan(plan::PlanArgs),
    /// Execute the laws of composition on random problems.
    Laws(laws::LawsArgs),
    /// Measure, all methods side by side in one run.
    Bench(bench::BenchArgs),
}

/// Exit code for bad input.
const BAD_INPUT: u8 = 2;

/// Runs the program.
pub fn run<I, T>(arguments: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(a) => a,
        Err(e) => {
            // Help and version are no errors; what cannot be printed is lost.
            let _ = e.print();
            return if e.use_stderr() {
                ExitCode::from(BAD_INPUT)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match arguments.command {
        Command::Run(a) => run::run(&a),
        Command::Contacts(a) => contacts::run(&a).unwrap_or_else(|e| {
            eprintln!("cosmosmesh: {e}");
            ExitCode::from(BAD_INPUT)
        }),
        Command::Log(a) => log::run(&a),
        Command::Plan(a) => plan::run(&a),
        Command::Laws(a) => laws::run(&a),
        Command::Bench(a) => bench::run(&a),
    }
}

/// Prints to standard output; a reader that has gone away is no failure.
fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
