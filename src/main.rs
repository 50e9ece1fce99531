//! `joinery`: parse, start, run.

use std::{io::Write as _, path::Path, process::ExitCode};

use clap::Parser as _;
use joinery::{
    candidates,
    cli::{CandidatesArgs, Cli, Command},
    operator, telemetry,
};

/// `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for_help = !error.use_stderr();
            let _closed_pipe = error.print();
            return if asked_for_help { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    if cli.command == Some(Command::Version) {
        println!("joinery {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("joinery: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(Command::Candidates(arguments)) = &cli.command {
        return runtime.block_on(list(&cli.settings.store, arguments));
    }
    telemetry::start_logging(cli.settings.log_level, cli.settings.log_format);
    // Before anything speaks TLS: kube and the app client share one provider.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::warn!("another TLS provider was installed before");
    }
    match runtime.block_on(operator::run(cli.settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = telemetry::chain(&error), "the operator cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn list(store: &Path, arguments: &CandidatesArgs) -> ExitCode {
    match candidates::list(store, arguments).await {
        Ok(text) => {
            let _closed_pipe = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("joinery: {}: {}", store.display(), telemetry::chain(&error));
            ExitCode::FAILURE
        }
    }
}
