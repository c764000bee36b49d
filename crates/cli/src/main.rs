//! The `cosmosmesh` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    cosmosmesh_cli::run(std::env::args_os())
}
