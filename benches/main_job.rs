//! The main job against the least program that moves the same bytes: `import`, `import-unchanged`, `provision`.
//!
//! `cargo bench --bench main_job [-- NAME…]`, one JSON object per line on stdout. What the numbers mean and how they are
//! taken is in `docs/performance.md`.
//!
//! - `JOINERY_BENCH_PEOPLE`: how many people (100,000 for imports, 10,000 for `provision`)
//! - `JOINERY_BENCH_PAIRS`: how many pairs after the warm-up (3)
//! - `JOINERY_BENCH_ANYWAY=1`: measure although the machine is busy

mod support;

use std::process::ExitCode;

use support::{Bench, Result, Settings, child, pairs, process, target};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some(target::ARGUMENT) => target::serve(&arguments[1..]),
        Some(child::ARGUMENT) => child::run(&arguments[1..]),
        _ => measure(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("main_job: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &[String]) -> Result<()> {
    // `cargo bench` passes `--bench`; what is left are names.
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let chosen: Vec<Bench> =
        Bench::ALL.into_iter().filter(|bench| names.is_empty() || names.iter().any(|name| *name == bench.name())).collect();
    if chosen.is_empty() {
        return Err(format!("no such benchmark; there are {}", Bench::ALL.map(Bench::name).join(", ")).into());
    }
    let settings = Settings::from_environment()?;
    let load = process::load()?;
    if load > 1.0 && !settings.anyway {
        return Err(format!(
            "the load is {load}, and what is measured on a busy machine is the others; JOINERY_BENCH_ANYWAY=1 measures anyway"
        )
        .into());
    }
    for bench in chosen {
        println!("{}", pairs::run(bench, &settings)?);
    }
    Ok(())
}
