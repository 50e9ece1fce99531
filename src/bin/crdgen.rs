//! Writes the `CustomResourceDefinitions` into `crds/`; with `--check` only compares and fails on a difference.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use joinery::api::crd;

/// Writes the `CustomResourceDefinitions` from the types in src/api.
#[derive(Parser)]
struct Arguments {
    /// Change nothing; exit with 1 and say where if a file is not as the code says.
    #[arg(long)]
    check: bool,
    /// The folder of the files.
    #[arg(long, default_value = "crds")]
    dir: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            eprintln!("crdgen: {error}{cause}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, crd::Error> {
    if !arguments.check {
        crd::write(&arguments.dir)?;
        return Ok(ExitCode::SUCCESS);
    }
    let drift = crd::drift(&arguments.dir)?;
    for difference in &drift {
        eprintln!("{difference}");
    }
    if drift.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{} of the generated files are not up to date: run `cargo run --bin crdgen`", drift.len());
    Ok(ExitCode::FAILURE)
}
