//! What holds for a whole organisation: `Directory`.

use serde::{Deserialize, Serialize};

/// What the last `Directory` said of sources and protected people. It holds on when the object is gone: losing a file must
/// unprotect nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectorySettings {
    /// Integrations that are profile sources, highest priority first (SO-1).
    pub profile_sources: Vec<String>,
    /// The condition for those who are protected (SO-5).
    pub protected: Option<String>,
}

/// How many people an organisation has, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeopleCounts {
    /// Active.
    pub active: u64,
    /// Staged.
    pub staged: u64,
    /// Suspended.
    pub suspended: u64,
    /// Deactivated.
    pub deactivated: u64,
}

/// The sources of an organisation in the order that holds: those that are named, then the others by name (SO-1).
pub fn source_order(named: &[String], sources: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut order: Vec<String> = sources.into_iter().collect();
    order.sort_by_key(|name| (named.iter().position(|other| other == name).unwrap_or(usize::MAX), name.clone()));
    order.dedup();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so1_named_sources_come_first_and_the_others_by_name() {
        let named = ["zeta".to_owned(), "gone".to_owned()];
        let sources = ["beta", "zeta", "alpha"].map(str::to_owned);
        assert_eq!(source_order(&named, sources), ["zeta", "alpha", "beta"]);
    }
}
