//! One side of one measurement, in a process of its own: its memory and its CPU time are nobody else's.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use super::{Bench, Result, Side, limit, ours, process, target::Target};

/// The hidden argument that makes this program one side of a measurement.
pub const ARGUMENT: &str = "--side";

/// Where one side works.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The file of the store.
    pub store: PathBuf,
    /// The SCIM base of the target.
    pub url: String,
    /// How many people there are.
    pub people: usize,
    /// The bodies of the POSTs, a line each.
    pub bodies: PathBuf,
}

/// What a side took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Took {
    /// From the start of the program to the last durable commit, in seconds.
    pub seconds: f64,
    /// CPU time, in seconds.
    pub cpu: f64,
    /// Peak memory, in MiB.
    pub rss: f64,
    /// People or accounts written.
    pub writes: u64,
}

/// Runs one side in a process of its own.
pub fn start(bench: Bench, side: Side, store: &Path, target: &Target, people: usize, bodies: &Path) -> Result<Took> {
    let place = Place { store: store.to_owned(), url: target.url.clone(), people, bodies: bodies.to_owned() };
    let word = if side == Side::Ours { "ours" } else { "limit" };
    let arguments = [ARGUMENT.to_owned(), bench.name().to_owned(), word.to_owned(), serde_json::to_string(&place)?];
    let output = Command::new(std::env::current_exe()?).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{} ({word}) failed", bench.name()).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The process that [`start`] has started.
pub fn run(arguments: &[String]) -> Result<()> {
    let started = Instant::now();
    let [bench, side, place] = arguments else { return Err("a side needs a benchmark, a side and a place".into()) };
    let (bench, place) = (Bench::parse(bench)?, serde_json::from_str(place)?);
    // The client panics without a TLS provider; that another was installed before cannot be.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let work = async {
        match (bench, side.as_str()) {
            (Bench::Import, "limit") => limit::import(&place).await,
            (Bench::ImportUnchanged, "limit") => limit::unchanged(&place).await,
            (Bench::Provision, "limit") => limit::provision(&place).await,
            (Bench::Import | Bench::ImportUnchanged, _) => ours::import(&place).await,
            (Bench::Provision, _) => ours::provision(&place).await,
        }
    };
    let writes = tokio::runtime::Runtime::new()?.block_on(work)?;
    let seconds = started.elapsed().as_secs_f64();
    let took = Took { seconds, cpu: process::cpu_seconds()?, rss: process::peak_rss_mib()?, writes };
    println!("{}", serde_json::to_string(&took)?);
    Ok(())
}
