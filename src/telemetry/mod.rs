//! Logs and metrics. Neither ever holds a person, a token or an app's text.

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
