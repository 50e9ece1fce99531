//! Decisions about records that wait (MT-8).

use jiff::Timestamp;

use crate::{
    domain::candidate::DecisionsReport,
    store::{Decisions, Store, StoreError},
};

/// Carries the decisions of one approval out, and says so in the audit trail.
///
/// It changes the directory: whoever calls it has made sure that the integration is in `mode: Enforce` (AI-6), is not
/// suspended (AI-7) and has the store that its status speaks of (SG-12). It may be called while an import of the integration
/// is under way, and again after a crash with the same `object`: what was decided then is told again and not done again.
/// A provisioning pass has something to look at afterwards if `applied.changes() > 0`.
pub async fn decide_candidates(store: &dyn Store, decisions: Decisions<'_>, now: Timestamp) -> Result<DecisionsReport, StoreError> {
    let report = store.decide_candidates(decisions, now).await?;
    for (candidate, outcome) in &report.outcomes {
        let decision = decisions.decisions.iter().find(|decision| decision.id == *candidate).map(|decision| decision.decision);
        tracing::info!(
            target: "audit",
            integration = %decisions.rules.integration,
            approval = decisions.object,
            import = decisions.import,
            %candidate,
            ?decision,
            ?outcome,
            "candidate decided"
        );
    }
    Ok(report)
}
