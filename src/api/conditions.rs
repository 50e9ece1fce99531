//! Condition types and reasons: closed lists, each entry documented once, here.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::status::MESSAGE_LENGTH;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $(#[doc = $meaning:literal] $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $(#[doc = $meaning] $variant,)+ }

        impl $name {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word in statuses.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What it means and what the reader can do, for the generated documentation.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning.trim_ascii(),)+ }
            }

            /// Reads the word; `None` for any other.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|candidate| candidate.as_str() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// A type of condition.
    ConditionType {
        /// Is all well? Always there from the first visit.
        Ready = "Ready",
        /// Joinery is at work, or waits for something that comes by itself. Only while true.
        Reconciling = "Reconciling",
        /// A person has to act. Only while true.
        Stalled = "Stalled",
        /// The app accepts the credentials.
        CredentialsValid = "CredentialsValid",
        /// The app answers.
        EndpointReachable = "EndpointReachable",
        /// What the app can do is known.
        CapabilitiesKnown = "CapabilitiesKnown",
        /// All expressions of the mapping compile and all its tests pass.
        Compiled = "Compiled",
        /// The policy is the one that counts for its integration; the decision of an approval has counted.
        Accepted = "Accepted",
        /// Everybody who should have an account has it as it should be.
        Provisioned = "Provisioned",
        /// A plan is over a limit; the message holds the arithmetic. Only while true.
        SafeguardTripped = "SafeguardTripped",
        /// The next run is planned.
        Scheduled = "Scheduled",
        /// The schedule's last run succeeded.
        LastRunSucceeded = "LastRunSucceeded",
        /// The run did what it was to do. Unknown while it goes on or is held.
        Succeeded = "Succeeded",
        /// The app's listing was proved complete.
        SnapshotComplete = "SnapshotComplete",
        /// The run's plan is held until somebody decides. Only while true.
        AwaitingApproval = "AwaitingApproval",
        /// The store that holds the people can be read and written.
        StoreAvailable = "StoreAvailable",
    }
}

words! {
    /// Why a condition has its status.
    Reason {
        /// Everything is as it should be.
        Succeeded = "Succeeded",
        /// Joinery has not looked at this yet.
        Pending = "Pending",
        /// Joinery is at work on it.
        Progressing = "Progressing",
        /// The spec holds something that cannot work. The message names the field and what would be right: edit it.
        InvalidSpec = "InvalidSpec",
        /// `spec.suspend` is true: nothing is changed. Set it to false to go on.
        Suspended = "Suspended",
        /// Something that the object refers to is not there or not ready yet. It goes on by itself as soon as it is.
        DependencyNotReady = "DependencyNotReady",
        /// The Secret does not exist. Create it, or correct the reference.
        SecretNotFound = "SecretNotFound",
        /// The Secret has no usable value under the key. Add it, or correct the reference.
        SecretKeyMissing = "SecretKeyMissing",
        /// The Secret's annotation `joinery.dev/allowed-hosts` does not name the app's host, so it is not sent there. Add the host.
        SecretNotConsenting = "SecretNotConsenting",
        /// The app rejects the credentials (401). Put valid ones into the Secret.
        Unauthorized = "Unauthorized",
        /// The app accepts the credentials and denies access (403). Grant it in the app.
        Forbidden = "Forbidden",
        /// The app does not answer. It is tried again by itself; check address, DNS and network.
        Unreachable = "Unreachable",
        /// The app's certificate cannot be verified. Correct it, or name its authority in `spec.tls.caSecretRef`.
        TlsVerificationFailed = "TLSVerificationFailed",
        /// The app asks for a pause. Joinery goes on when it is over.
        RateLimited = "RateLimited",
        /// What answers does not speak SCIM. Check `baseURL`.
        NotScim = "NotSCIM",
        /// The host in `baseURL` is not the one that the links were made with. Acknowledge it, or correct `baseURL`.
        EndpointHostChanged = "EndpointHostChanged",
        /// Joinery's own store cannot be used just now. Nothing is changed until it can.
        StoreUnavailable = "StoreUnavailable",
        /// The API server refused or did not answer what Joinery asked of it. It is tried again by itself; check rights and quotas.
        KubernetesRequestFailed = "KubernetesRequestFailed",
        /// The store is another or an older one than the status speaks of. Plans are held. The `AppIntegration` says how to go on.
        StoreReplaced = "StoreReplaced",
        /// An expression or a path cannot be parsed. The message shows where.
        SyntaxError = "SyntaxError",
        /// An expression names an attribute or a variable that does not exist.
        UnknownAttribute = "UnknownAttribute",
        /// An expression can only give a value of the wrong type.
        TypeMismatch = "TypeMismatch",
        /// A target is written twice, or is one that Joinery writes itself.
        DuplicateTarget = "DuplicateTarget",
        /// A test of the mapping gives something else than expected.
        TestFailed = "TestFailed",
        /// An older `AttributeMapping` for the same integration counts. Delete one of the two.
        ConflictingMapping = "ConflictingMapping",
        /// An older `ProvisioningPolicy` for the same integration counts. Delete one of the two.
        ConflictingPolicy = "ConflictingPolicy",
        /// The integration is not ready. It says itself why.
        IntegrationNotReady = "IntegrationNotReady",
        /// The mapping is not ready: creates and updates stop, deactivations go on. It says itself why.
        MappingNotReady = "MappingNotReady",
        /// The integration's mode is Plan: what would happen is published, and nothing was changed. Set it to Enforce to do it.
        PlanOnly = "PlanOnly",
        /// Some people could not be provisioned. They are tried again by themselves; the others are done.
        AccountsFailed = "AccountsFailed",
        /// A plan is over a limit and held. Approve it with a `ChangeApproval`, or change the source, the policy or the limit.
        AwaitingApproval = "AwaitingApproval",
        /// More accounts would be deactivated than `safeguards.provisioning` allows. None was.
        DeactivationLimitExceeded = "DeactivationLimitExceeded",
        /// More accounts would be written than `safeguards.provisioning` allows. None was.
        UpdateLimitExceeded = "UpdateLimitExceeded",
        /// More accounts would be created than `safeguards.provisioning` allows. None was.
        CreateLimitExceeded = "CreateLimitExceeded",
        /// `spec.profileSources` names what is no profile source. Create the `AppIntegration`, or turn sourcing on in its policy.
        UnknownSource = "UnknownSource",
        /// The cron fields or the time zone cannot be read. The message names what would be right.
        InvalidSchedule = "InvalidSchedule",
        /// The next run is planned for `status.nextScheduleTime`.
        NextRunPlanned = "NextRunPlanned",
        /// A run is under way.
        RunActive = "RunActive",
        /// The last run's plan is over a limit and held. The run holds the arithmetic.
        RunHeld = "RunHeld",
        /// A run could not start in `startingDeadlineSeconds` and was left out. The next one runs as planned.
        MissedDeadline = "MissedDeadline",
        /// The app's listing could not be proved complete in three attempts. Nothing was changed.
        SnapshotIncomplete = "SnapshotIncomplete",
        /// The app lists nobody, though people are linked to it. Nothing was changed.
        EmptySource = "EmptySource",
        /// More people would be unassigned than `safeguards.import` allows. Nobody was.
        UnassignLimitExceeded = "UnassignLimitExceeded",
        /// The whole plan is applied; of an approval: its decision was carried out.
        Applied = "Applied",
        /// There was nothing to do.
        NothingToDo = "NothingToDo",
        /// The plan is applied, except for people who failed. They are tried again by the next import.
        PartiallyApplied = "PartiallyApplied",
        /// The plan was rejected with a `ChangeApproval`: nothing of it is applied, and it is not asked for again.
        Rejected = "Rejected",
        /// Nobody approved the plan in `approval.expiresSeconds`, or its application took longer. Import again.
        ApprovalExpired = "ApprovalExpired",
        /// No plan with this digest waits for a decision. Take the digest from the status of what is held.
        DigestMismatch = "DigestMismatch",
        /// The plan could be decided on until `status.plan.expires`. Decide on the next one.
        Expired = "Expired",
        /// The plan with this digest was decided on before, and a decision counts once.
        AlreadyUsed = "AlreadyUsed",
        /// Some of the candidates had no effect: they wait no longer, or their proposal has changed. List them and decide again.
        UnknownCandidate = "UnknownCandidate",
        /// There is no object of that kind and name. Correct the target, or wait until it is there.
        TargetNotFound = "TargetNotFound",
        /// A newer run has taken the place of this one.
        Superseded = "Superseded",
        /// The run took longer than `activeDeadlineSeconds` and stopped before its next write.
        DeadlineExceeded = "DeadlineExceeded",
    }
}

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows yet.
    Unknown,
}

impl Status {
    /// The word in statuses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    /// Reads the word; `None` for any other.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::True, Self::False, Self::Unknown].into_iter().find(|status| status.as_str() == word)
    }
}

/// A condition as a reconcile decides it, without the times that only history knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionSpec {
    /// Its type.
    pub kind: ConditionType,
    /// Its status.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// What happened, what was done about it, what the reader can do. No personal data, nothing verbatim from an app.
    pub message: String,
}

impl ConditionSpec {
    /// A condition of this status.
    pub fn new(kind: ConditionType, status: Status, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, status, reason, message: message.into() }
    }

    /// A condition that holds.
    pub fn holds(kind: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(kind, Status::True, reason, message)
    }

    /// A condition that does not hold.
    pub fn fails(kind: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(kind, Status::False, reason, message)
    }

    /// A condition that nobody can tell yet.
    pub fn unknown(kind: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(kind, Status::Unknown, reason, message)
    }
}

/// The conditions to write: exactly those given, in their order. `lastTransitionTime` moves only when `status` moves, else
/// every reconcile would be a write (D1); what is not given leaves by omission.
pub fn write(specs: &[ConditionSpec], previous: &[Condition], generation: i64, now: &Time) -> Vec<Condition> {
    specs
        .iter()
        .map(|spec| {
            let before =
                previous.iter().find(|condition| condition.type_ == spec.kind.as_str() && condition.status == spec.status.as_str());
            Condition {
                type_: spec.kind.as_str().to_owned(),
                status: spec.status.as_str().to_owned(),
                reason: spec.reason.as_str().to_owned(),
                message: bounded(&spec.message),
                observed_generation: Some(generation),
                last_transition_time: before.map_or_else(|| now.clone(), |condition| condition.last_transition_time.clone()),
            }
        })
        .collect()
}

/// Is there a condition of this type that is true?
pub fn is_true(conditions: &[Condition], kind: ConditionType) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status == Status::True.as_str())
}

/// The condition of this type.
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

/// Cuts a message where the API server would refuse it (D3).
fn bounded(message: &str) -> String {
    if message.chars().count() <= MESSAGE_LENGTH {
        return message.to_owned();
    }
    let mut text: String = message.chars().take(MESSAGE_LENGTH - 1).collect();
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time(k8s_openapi::jiff::Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn the_transition_time_moves_with_the_status_only() {
        let ready = |status, reason| ConditionSpec::new(ConditionType::Ready, status, reason, "");
        let first = write(&[ready(Status::False, Reason::Unreachable)], &[], 1, &at(10));
        let second = write(&[ready(Status::False, Reason::Unauthorized)], &first, 2, &at(20));
        assert_eq!((second[0].last_transition_time.clone(), second[0].observed_generation), (at(10), Some(2)));
        let third = write(&[ready(Status::True, Reason::Succeeded)], &second, 2, &at(30));
        assert_eq!(third[0].last_transition_time, at(30));
        assert!(is_true(&third, ConditionType::Ready) && !is_true(&third, ConditionType::Stalled));
    }

    #[test]
    fn a_condition_leaves_by_omission() {
        let tripped = ConditionSpec::holds(ConditionType::SafeguardTripped, Reason::UnassignLimitExceeded, "");
        let first = write(&[tripped], &[], 1, &at(10));
        assert_eq!(write(&[], &first, 1, &at(20)), []);
    }

    #[test]
    fn a_message_is_cut_at_what_the_api_server_takes() {
        let spec = ConditionSpec::fails(ConditionType::Ready, Reason::InvalidSpec, "ü".repeat(1_000_000));
        let message = &write(&[spec], &[], 1, &at(10))[0].message;
        assert_eq!(message.chars().count(), MESSAGE_LENGTH);
        assert!(message.ends_with('…'));
    }

    #[test]
    fn words_are_unique_and_read_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        for kind in ConditionType::ALL {
            assert_eq!(ConditionType::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(Reason::parse("succeeded"), None);
    }
}
