//! Commands and flags → [`Settings`]. Read once; there are no globals.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Identity lifecycle and provisioning as code on Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "joinery", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The operator's settings, used by `controller`, the default.
    #[command(flatten)]
    pub settings: Settings,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the operator (the default).
    Controller,
    /// List the records that wait for a decision. Reads the store's file; an operator may be using it.
    Candidates(CandidatesArgs),
    /// Print the version.
    Version,
}

/// Which candidates are listed, and how.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct CandidatesArgs {
    /// Of this namespace only.
    #[arg(long, short)]
    pub namespace: Option<String>,
    /// Of the AppIntegrations of this name only.
    #[arg(long, short)]
    pub integration: Option<String>,
    /// Show the username that each record asks for: personal data.
    #[arg(long)]
    pub show_names: bool,
    /// The form of the list.
    #[arg(long, short, default_value = "table")]
    pub output: OutputFormat,
}

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Table,
    /// One JSON object with a list `items`.
    Json,
}

/// The operator's settings.
#[derive(Clone, Debug, Parser)]
pub struct Settings {
    /// The store's file. It is created if it does not exist, readable by its owner only.
    #[arg(long, env = "JOINERY_STORE", default_value = "joinery.db", global = true)]
    pub store: PathBuf,
    /// Where /livez, /readyz and /metrics are served.
    #[arg(long, env = "JOINERY_LISTEN", default_value = "0.0.0.0:8080", global = true)]
    pub listen: SocketAddr,
    /// What is logged. Only the operator's own modules log below `warn`: those of libraries would show what is sent.
    #[arg(long, env = "JOINERY_LOG_LEVEL", default_value = "info", global = true)]
    pub log_level: LogLevel,
    /// How it is logged.
    #[arg(long, env = "JOINERY_LOG_FORMAT", default_value = "json", global = true)]
    pub log_format: LogFormat,
    /// Accept `http://` for addresses other than loopback ones.
    #[arg(long, env = "JOINERY_ALLOW_INSECURE_HTTP", global = true)]
    pub allow_insecure_http: bool,
    /// Send a Secret only to hosts that its annotation joinery.dev/allowed-hosts names.
    #[arg(long, env = "JOINERY_REQUIRE_SECRET_CONSENT", default_value_t = true, action = clap::ArgAction::Set, global = true)]
    pub require_secret_consent: bool,
    /// Which addresses an app may have. Link-local, multicast and unspecified ones are never allowed.
    #[arg(
        long,
        env = "JOINERY_ALLOWED_ADDRESSES",
        value_delimiter = ',',
        default_values_t = [AddressClass::Public, AddressClass::Private, AddressClass::Loopback],
        global = true
    )]
    pub allowed_addresses: Vec<AddressClass>,
    /// How many imports, and how many provisioning passes, run at once.
    #[arg(long, env = "JOINERY_MAX_CONCURRENT_RUNS", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256), global = true)]
    pub max_concurrent_runs: u16,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A JSON object per line.
    Json,
    /// For people.
    Text,
}

/// A class of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AddressClass {
    /// Addresses of the internet.
    Public,
    /// RFC 1918, unique local and shared address space.
    Private,
    /// 127.0.0.0/8 and `::1`.
    Loopback,
}

impl std::fmt::Display for AddressClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Loopback => "loopback",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_is_what_runs_without_a_command() {
        let cli = Cli::try_parse_from(["joinery"]).unwrap();
        assert_eq!(cli.command, None);
        assert!(cli.settings.require_secret_consent);
        assert_eq!(cli.settings.allowed_addresses.len(), 3);
    }

    #[test]
    fn flags_are_taken_before_and_after_the_command() {
        let cli = Cli::try_parse_from(["joinery", "controller", "--require-secret-consent=false", "--allowed-addresses", "public,private"])
            .unwrap();
        assert!(!cli.settings.require_secret_consent);
        assert_eq!(cli.settings.allowed_addresses, [AddressClass::Public, AddressClass::Private]);
        assert!(Cli::try_parse_from(["joinery", "--max-concurrent-runs", "0"]).is_err());
    }

    #[test]
    fn candidates_are_listed_without_names_unless_told_otherwise() {
        let parsed = |arguments: &[&str]| Cli::try_parse_from(["joinery", "candidates"].iter().chain(arguments)).unwrap();
        let Some(Command::Candidates(plain)) = parsed(&[]).command else { panic!("another command") };
        assert_eq!((plain.show_names, plain.output, plain.namespace), (false, OutputFormat::Table, None));
        let cli = parsed(&["-n", "acme", "-o", "json", "--show-names", "--store", "there.db"]);
        let Some(Command::Candidates(full)) = cli.command else { panic!("another command") };
        assert_eq!((full.show_names, full.output, full.namespace.as_deref()), (true, OutputFormat::Json, Some("acme")));
        assert_eq!(cli.settings.store, PathBuf::from("there.db"));
    }
}
