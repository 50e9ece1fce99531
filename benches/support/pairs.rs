//! Limit and ours in turn. Only ratios inside a pair are compared: what the machine does meanwhile meets both.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    Bench, Result, Settings, Side, check,
    child::{self, Took},
    target::{Asked, Target},
};

/// A measurement with a right end state.
#[derive(Clone, Copy)]
struct Measured {
    took: Took,
    asked: Asked,
}

/// Runs a benchmark; its line of the results.
pub fn run(bench: Bench, settings: &Settings) -> Result<Value> {
    let people = settings.people.unwrap_or(if bench == Bench::Provision { 10_000 } else { 100_000 });
    let scratch = tempfile::tempdir()?;
    let prepared = scratch.path().join("prepared.db");
    let bodies = scratch.path().join("bodies");
    if bench != Bench::Import {
        let source = Target::start(people, None)?;
        child::start(Bench::Import, Side::Ours, &prepared, &source, people, &bodies)?;
    }
    let place = Work { bench, people, scratch: scratch.path(), prepared: &prepared, bodies: &bodies };
    // The warm-up. Ours first: the limit of `provision` sends the bodies that ours has sent.
    place.measure(Side::Ours, true)?;
    place.measure(Side::Limit, false)?;
    let mut pairs = Vec::with_capacity(settings.pairs);
    for _ in 0..settings.pairs {
        let limit = place.measure(Side::Limit, false)?;
        let ours = place.measure(Side::Ours, false)?;
        pairs.push((limit, ours));
    }
    Ok(line(bench, people, &pairs))
}

struct Work<'a> {
    bench: Bench,
    people: usize,
    scratch: &'a Path,
    prepared: &'a Path,
    bodies: &'a Path,
}

impl Work<'_> {
    /// One side once, on a fresh file and with a fresh target. `record`: keep the bodies of its POSTs.
    fn measure(&self, side: Side, record: bool) -> Result<Measured> {
        let directory = tempfile::tempdir_in(self.scratch)?;
        let store = directory.path().join("store.db");
        if self.bench != Bench::Import {
            std::fs::copy(self.prepared, &store)?;
        }
        let record = if record && self.bench == Bench::Provision { self.bodies.to_str() } else { None };
        let listed = if self.bench == Bench::Provision { 0 } else { self.people };
        let target = Target::start(listed, record)?;
        let took = child::start(self.bench, side, &store, &target, self.people, self.bodies)?;
        let asked = target.stop()?;
        check::end_state(self.bench, side, &store, self.people, took, asked)?;
        Ok(Measured { took, asked })
    }
}

#[allow(clippy::cast_precision_loss, reason = "nobody benchmarks 2^52 people")]
fn line(bench: Bench, people: usize, pairs: &[(Measured, Measured)]) -> Value {
    let ratios = sorted(pairs.iter().map(|(limit, ours)| limit.took.seconds / ours.took.seconds));
    let of = |value: fn(&(Measured, Measured)) -> f64| median(&sorted(pairs.iter().map(value)));
    json!({
        "name": bench.name(),
        "ratio": rounded(median(&ratios), 1000.0),
        "ratio_min": rounded(ratios.first().copied().unwrap_or_default(), 1000.0),
        "ratio_max": rounded(ratios.last().copied().unwrap_or_default(), 1000.0),
        "per_s": rounded(people as f64 / of(|pair| pair.1.took.seconds), 1.0),
        "limit_per_s": rounded(people as f64 / of(|pair| pair.0.took.seconds), 1.0),
        "people": people,
        "peak_rss_mib": rounded(pairs.iter().map(|pair| pair.1.took.rss).fold(0.0, f64::max), 1.0),
        "requests": pairs.last().map(|pair| pair.1.asked.requests),
        "writes": pairs.last().map(|pair| pair.1.took.writes),
        "cpu_s": rounded(of(|pair| pair.1.took.cpu), 100.0),
        "limit_cpu_s": rounded(of(|pair| pair.0.took.cpu), 100.0),
        "store": "sqlite"
    })
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Of an even number the lower one in the middle.
fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

fn rounded(value: f64, places: f64) -> f64 {
    (value * places).round() / places
}
