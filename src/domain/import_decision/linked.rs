//! Records with a link, live or ended by absence. They are never matched again (MT-1).

use super::{
    Evidence, ImportRules, effective,
    flow::{Turn, flow},
    settled,
};
use crate::domain::{
    import_plan::{AccountWrite, CandidateWrite, ImportAction, KnownAccount, LinkWrite, StagedRecord},
    link::LinkState,
};

/// Decides about a linked record.
pub(super) fn decide(evidence: Evidence<'_>, known: &KnownAccount, rules: &ImportRules) -> ImportAction {
    let staged = &evidence.row.staged;
    let live = known.link.state == LinkState::Live;
    let keep = ImportAction::keep(staged.app_id.clone());
    let mapped = match &staged.mapped {
        Ok(mapped) => mapped,
        Err(failure) => {
            // It was seen, so it is not missing (LS-4); `active` stays, so that a departure is noticed once it can be read.
            let account = if live { AccountWrite::Seen { hash: None, active: known.link.active } } else { AccountWrite::Keep };
            return ImportAction { account, failed: Some(*failure), candidate: settled(evidence.row), ..keep };
        }
    };
    let turn = turn(known, staged);
    let action = ImportAction {
        link: if live { LinkWrite::Keep } else { LinkWrite::Create { person: known.person.id } },
        // SG-3: whatever onDeactivation says and whoever is the effective source.
        removes: turn == Turn::Departed,
        ..keep
    };
    let Some(sourcing) = effective(known, rules) else {
        return ImportAction {
            account: AccountWrite::Seen { hash: Some(staged.hash), active: staged.active },
            candidate: settled(evidence.row),
            ..action
        };
    };
    let flow = flow(&known.person, mapped, turn, sourcing, evidence, rules);
    ImportAction {
        account: AccountWrite::Seen {
            // MT-6: what is pending is looked at in each import, changed or not.
            hash: flow.pending.is_none().then_some(staged.hash),
            active: staged.active && !flow.return_open,
        },
        person: flow.person,
        candidate: match flow.pending {
            Some(reason) => CandidateWrite::Put { proposal: Some(known.person.id), reason },
            None => settled(evidence.row),
        },
        ..action
    }
}

fn turn(known: &KnownAccount, staged: &StagedRecord) -> Turn {
    // A record that was gone was not active, whatever it was when it was last seen.
    let was_active = known.link.state == LinkState::Live && known.link.active;
    match (was_active, staged.active) {
        (true, false) => Turn::Departed,
        (false, true) => Turn::Arrived,
        (true, true) | (false, false) => Turn::Same,
    }
}
