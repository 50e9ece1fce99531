//! Logs and metrics. Neither ever holds a person, a token or an app's text.

use std::error::Error;

use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::cli::{LogFormat, LogLevel};

pub mod metrics;

/// Starts to log. Below `warn` only the operator's own modules log: HTTP and TLS libraries print what they send at
/// `trace`, credentials included (promise H3).
pub fn start_logging(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let filter = EnvFilter::new(format!("warn,joinery={level},audit=info"));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stdout);
    // Logging that has been started already (by a test) stays as it is.
    let _already_started = match format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(layer).try_init(),
    };
}

/// An error and its causes in one line: the JSON format prints only what stands first.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some errors repeat their cause in their own words.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("use the store")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("the store failed: {0}")]
    struct Inner(#[source] std::io::Error);

    #[test]
    fn a_chain_says_each_cause_once() {
        let error = Outer(Inner(std::io::Error::other("disk full")));
        assert_eq!(chain(&error), "use the store: the store failed: disk full");
    }
}
