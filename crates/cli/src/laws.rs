//! `cosmosmesh laws`: execute the laws of composition.

use std::process::ExitCode;

use clap::Args;
use cosmosmesh::optimize::laws;

/// Execute the laws of composition on random problems and diagrams.
///
/// Identity, associativity (nested equals flattened, to the byte), symmetry,
/// disjoint union, merging of boxes, agreed optimum = optimum of the members =
/// optimum of the composite, and lower bound ≤ optimum ≤ upper bound. A failure prints the seed that
/// repeats it.
#[derive(Debug, Args)]
pub(crate) struct LawsArgs {
    /// How many random cases; the laws that solve problems run on a tenth.
    #[arg(long, default_value_t = 1000)]
    cases: u64,
    /// The first seed; `--cases 1 --seed S` repeats one case.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Run the laws that solve problems on so many cases instead.
    #[arg(long)]
    numeric: Option<u64>,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
    /// No progress on standard error.
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(a: &LawsArgs) -> ExitCode {
    let mut tick = |done: u64| {
        if !a.quiet && done.is_multiple_of(500) {
            eprint!("\r{done}/{} cases", a.cases.max(a.numeric.unwrap_or(0)));
        }
    };
    let suite = laws::Suite {
        cases: a.cases,
        numeric_cases: a.numeric.unwrap_or(a.cases.div_ceil(10)),
        seed: a.seed,
        distributed: Some(laws::Method::ALADIN),
        plant: None,
    };
    let report = suite.run(&mut tick);
    if !a.quiet {
        eprintln!();
    }
    if a.json {
        crate::print(&format!("{}\n", serde_json::json!(report)));
    } else {
        for law in &report.laws {
            crate::print(&format!(
                "{:<22} {:>7} cases  {:>3} failed  worst error {:.1e}\n",
                format!("{:?}", law.law),
                law.cases,
                law.failed,
                law.worst
            ));
            for f in &law.failures {
                crate::print(&format!("    --cases 1 --seed {}: {}\n", f.seed, f.what));
            }
        }
    }
    if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}
