//! From a policy's spec to the rules of the domain. Every problem is reported, not only the first.

use crate::{
    api::{
        ProvisioningPolicySpec,
        provisioning_policy::{Confirm, OnDeactivation, ToApp, ToDirectory},
        safeguards::Safeguards,
    },
    domain::{
        assignment::Assignment,
        hash::ShortHash,
        id::IntegrationKey,
        import_decision::{Confirmation, ImportRules},
        mapping::{Expression, Mapping, Problem, Scope},
        matching::MatchingRules,
        provision_decision::ProvisionRules,
        safeguard::{ImportLimits, ProvisionLimits},
        sourcing::{self, Sourcing},
    },
};

/// What a policy says of imports.
#[derive(Clone)]
pub(crate) struct ImportPolicy {
    pub(crate) rules: ImportRules,
    pub(crate) user_name: Expression,
}

/// The rules of imports; `None` without `toDirectory`.
pub(crate) fn import_policy(
    spec: &ProvisioningPolicySpec,
    key: &IntegrationKey,
    push_null_values: bool,
) -> Result<Option<ImportPolicy>, Vec<Problem>> {
    let Some(to_directory) = &spec.to_directory else { return Ok(None) };
    let user_name = match &to_directory.username_format {
        Some(text) => {
            Expression::compile_text("spec.toDirectory.usernameFormat", text, Scope::ToDirectory).map_err(|problem| vec![problem])?
        }
        None => Expression::default_to_directory_user_name(),
    };
    let Safeguards { import: limits, window_seconds, .. } = &spec.safeguards;
    let rules = ImportRules {
        integration: key.clone(),
        matching: matching(to_directory),
        confirmation: Confirmation {
            exact_automatic: to_directory.confirmation.exact_matches == Confirm::Automatic,
            new_automatic: to_directory.confirmation.new_users == Confirm::Automatic,
            activate_new: to_directory.confirmation.activate_new_users,
        },
        sourcing: sourcing(to_directory),
        push_null_values,
        missing_full_imports: u8::try_from(limits.missing_full_imports).unwrap_or(u8::MAX).max(1),
        limits: ImportLimits {
            max_unassigned_percent: number(limits.max_unassigned_percent),
            min_population: number(limits.min_population),
            max_unassigned: limits.max_unassigned.map(number),
        },
        window_seconds: seconds(*window_seconds),
    };
    Ok(Some(ImportPolicy { rules, user_name }))
}

fn matching(to_directory: &ToDirectory) -> MatchingRules {
    let exact = &to_directory.matching.exact;
    MatchingRules {
        // Nothing chosen means by username (MT-2).
        user_name: exact.username || !exact.email,
        email: exact.email,
        case_sensitive: to_directory.matching.case_sensitive,
    }
}

/// Does the policy make its integration a profile source?
pub(crate) fn is_source(spec: &ProvisioningPolicySpec) -> bool {
    spec.to_directory.as_ref().and_then(sourcing).is_some()
}

fn sourcing(to_directory: &ToDirectory) -> Option<Sourcing> {
    let sourcing = &to_directory.sourcing;
    sourcing.enabled.then_some(Sourcing {
        on_deactivation: match sourcing.on_deactivation {
            OnDeactivation::DoNothing => sourcing::OnDeactivation::DoNothing,
            OnDeactivation::Deactivate => sourcing::OnDeactivation::Deactivate,
            OnDeactivation::Suspend => sourcing::OnDeactivation::Suspend,
        },
        reactivate_suspended: sourcing.reactivate.suspended,
        reactivate_deactivated: sourcing.reactivate.deactivated,
    })
}

/// The rules of provisioning. `mapping: None`: it does not compile, and only removals go on (MA-7).
pub(super) fn provision_rules(
    to_app: &ToApp,
    safeguards: &Safeguards,
    key: &IntegrationKey,
    mapping: Option<Mapping>,
) -> Result<ProvisionRules, Vec<Problem>> {
    let mut problems = Vec::new();
    let user_name_format = keep(Expression::compile_text("spec.toApp.usernameFormat", &to_app.username_format, Scope::User), &mut problems);
    let mut assignments = Vec::with_capacity(to_app.assignments.len());
    for (index, entry) in to_app.assignments.iter().enumerate() {
        let field = format!("spec.toApp.assignments[{index}]");
        let condition = keep(Expression::compile_condition(&format!("{field}.where"), &entry.condition, Scope::User), &mut problems);
        let mut values = Vec::with_capacity(entry.values.len());
        for (name, text) in &entry.values {
            let value = keep(Expression::compile(&format!("{field}.values.{name}"), text, Scope::User), &mut problems);
            values.extend(value.map(|value| (name.clone(), value)));
        }
        assignments.extend(condition.map(|condition| Assignment {
            name: entry.name.clone(),
            condition,
            values,
            combine: entry.combine.clone(),
        }));
    }
    let limits = &safeguards.provisioning;
    let limits = ProvisionLimits {
        max_deactivated_percent: number(limits.max_deactivated_percent),
        min_population: number(limits.min_population),
        max_deactivated: limits.max_deactivated.map(number),
        max_updated_percent: number(limits.max_updated_percent),
        max_created: limits.max_created.map(number),
    };
    match user_name_format {
        Some(user_name_format) if problems.is_empty() => Ok(ProvisionRules {
            integration: key.clone(),
            create_users: to_app.create_users,
            update_user_attributes: to_app.update_user_attributes,
            deactivate_users: to_app.deactivate_users,
            assignments,
            user_name_format,
            mapping,
            limits,
            window_seconds: seconds(safeguards.window_seconds),
            digest: ShortHash::of_json(to_app),
        }),
        _ => Err(problems),
    }
}

fn keep<T>(compiled: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    compiled.map_err(|problem| problems.push(problem)).ok()
}

/// The schema keeps numbers from being negative; one that came past it counts as zero, the strictest limit.
fn number(number: i32) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn seconds(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
