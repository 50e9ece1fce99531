//! What the benchmarks share.
//!
//! - `users`: the canned users; `target`: the static SCIM server
//! - `child`: one side of one measurement, in a process of its own
//! - `ours`, `limit`: what is measured; `check`: whether it did its work
//! - `pairs`: limit and ours in turn; `process`: memory, CPU, load

use std::str::FromStr;

pub mod check;
pub mod child;
pub mod limit;
pub mod ours;
pub mod pairs;
pub mod process;
pub mod target;
pub mod users;

/// Benchmarks end at the first failure, which is shown as it is.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bench {
    /// Everybody is new.
    Import,
    /// The same listing again.
    ImportUnchanged,
    /// Everybody gets an account in an empty app.
    Provision,
}

impl Bench {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Import, Self::ImportUnchanged, Self::Provision];

    /// The name on the command line and in the results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::ImportUnchanged => "import-unchanged",
            Self::Provision => "provision",
        }
    }

    /// The benchmark of this name.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|bench| bench.name() == name).ok_or_else(|| "no such benchmark".into())
    }
}

/// One side of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The least program that moves the same bytes.
    Limit,
    /// Joinery.
    Ours,
}

/// What the environment says.
pub struct Settings {
    /// `None`: as many as the benchmark's own default.
    pub people: Option<usize>,
    /// Pairs after the warm-up.
    pub pairs: usize,
    /// Measure whatever the load is.
    pub anyway: bool,
}

impl Settings {
    /// Reads the environment.
    pub fn from_environment() -> Result<Self> {
        Ok(Self {
            people: number("JOINERY_BENCH_PEOPLE")?,
            pairs: number("JOINERY_BENCH_PAIRS")?.unwrap_or(3).max(1),
            anyway: std::env::var("JOINERY_BENCH_ANYWAY").is_ok_and(|value| value == "1"),
        })
    }
}

fn number<T: FromStr>(name: &str) -> Result<Option<T>> {
    match std::env::var(name) {
        Err(_) => Ok(None),
        Ok(text) => text.parse().map(Some).map_err(|_| format!("{name} must be a whole number").into()),
    }
}
