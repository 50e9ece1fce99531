//! Newtypes for every id: mixing the id of a person, of an account and of a run is the classic mistake of a sync engine.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// An organisation: the name of the Kubernetes namespace that holds its objects. The store knows which namespace of that
    /// name it is.
    Organisation
}
text_id! {
    /// The name of an `AppIntegration` inside its organisation.
    IntegrationName
}
text_id! {
    /// The `id` of a resource in an app (RFC 7643 §3.1); compared exactly (SC-4).
    AppId
}

/// One integration of one organisation; every query of the store carries it (promise H5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IntegrationKey {
    /// The organisation, i.e. the namespace.
    pub organisation: Organisation,
    /// The integration's name.
    pub name: IntegrationName,
}

impl IntegrationKey {
    /// Joins the two names.
    pub fn new(organisation: impl Into<String>, name: impl Into<String>) -> Self {
        Self { organisation: Organisation::new(organisation), name: IntegrationName::new(name) }
    }
}

impl fmt::Display for IntegrationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.organisation, self.name)
    }
}

macro_rules! derived_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $namespace:literal, $(#[$derive:meta])*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            $(#[$derive])*
            pub fn derive(integration: &IntegrationKey, app_id: &AppId) -> Self {
                // A NUL cannot occur in a namespace or an object's name, so two different triples never give one text.
                let name = format!("{}\0{}\0{}", integration.organisation, integration.name, app_id);
                Self(Uuid::new_v5(&Uuid::from_u128($namespace), name.as_bytes()))
            }

            #[doc = concat!("Reads `", $prefix, "<uuid>`; `None` for anything else.")]
            pub fn parse(text: &str) -> Option<Self> {
                text.strip_prefix($prefix).and_then(|uuid| Uuid::try_parse(uuid).ok()).map(Self)
            }

            /// The 16 bytes, as the store keeps them.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id of these 16 bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom(concat!("the id reads ", $prefix, "<uuid>")))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.as_hyphenated())
            }
        }
    };
}

derived_id! {
    /// A person of the directory. Its text, `p-` and a UUID, is also the `externalId` of the person's accounts.
    PersonId, "p-", 0x6a6f_696e_6572_795f_7065_7273_6f6e_5f31,
    /// The id of the person that a record of `app_id` in `integration` creates. Derived, not drawn, so that a store that
    /// was lost and rebuilt finds its accounts again (SC-5).
}
derived_id! {
    /// A record in the queue of candidates, as approvals and lists name it: `c-` and a UUID.
    CandidateId, "c-", 0x6a6f_696e_6572_795f_6361_6e64_6964_6174,
    /// The id of a record. Derived, so that it stays the same through imports and a rebuilt store.
}

/// The fence of a run: taken when the run claims its integration, carried by each of its writes (RU-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

/// A run of the store: one import or one provisioning pass. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub i64);

/// An entry of the intent journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId(pub i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_id_is_derived_from_where_the_person_came_from_and_reads_back() {
        let hr = IntegrationKey::new("acme", "hr");
        let id = PersonId::derive(&hr, &AppId::new("42"));
        assert_eq!(id, PersonId::derive(&hr, &AppId::new("42")));
        assert_ne!(id, PersonId::derive(&IntegrationKey::new("other", "hr"), &AppId::new("42")));
        assert_ne!(id, PersonId::derive(&hr, &AppId::new("43")));
        assert_eq!(PersonId::parse(&id.to_string()), Some(id));
        assert_eq!(PersonId::parse("42"), None);
        let candidate = CandidateId::derive(&hr, &AppId::new("42"));
        assert_eq!(CandidateId::parse(&candidate.to_string()), Some(candidate));
        assert_ne!(candidate.as_bytes(), id.as_bytes(), "nobody takes the one for the other");
        assert_eq!(CandidateId::parse(&id.to_string()), None);
    }
}
