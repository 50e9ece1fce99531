//! What shows that an account is still the one that a link speaks of, once its app has moved to another host (AI-9).

use super::{account::Record, fold::fold_key, hash::ShortHash, id::PersonId, link::Link};

/// What a link remembers of its account. Small: after a move an import holds one for each link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    person: PersonId,
    /// Hashes of folded usernames: as the app last showed it, and as Joinery last wrote it.
    names: [Option<ShortHash>; 2],
}

impl Remembered {
    /// What this link remembers. Imports keep no username with a link: there the one of the directory stands for it, if it is
    /// given.
    pub fn of(link: &Link, directory_name: Option<&str>) -> Self {
        let shown = link.resource.as_ref().and_then(|resource| resource.get("userName"));
        let names = [shown, link.written.get("userName")].map(|name| name.and_then(serde_json::Value::as_str).and_then(name_hash));
        let names = if names == [None, None] { [directory_name.and_then(name_hash), None] } else { names };
        Self { person: link.person, names }
    }

    /// Does the account, as it was just read, show the person's id as its `externalId`, or the same username? `mapped` is the
    /// username that the directory would know the record by, where that is known. An account that says whose it is belongs to
    /// nobody else, whatever its username.
    pub fn is_shown_by(&self, account: &Record, mapped: Option<&str>) -> bool {
        match account.external_id().and_then(PersonId::parse) {
            Some(named) => named == self.person,
            None => [account.user_name(), mapped].into_iter().flatten().any(|name| self.is_named(name)),
        }
    }

    fn is_named(&self, name: &str) -> bool {
        let name = name_hash(name);
        name.is_some() && self.names.contains(&name)
    }
}

fn name_hash(name: &str) -> Option<ShortHash> {
    (!name.is_empty()).then(|| ShortHash::of(fold_key(name).as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::domain::{
        id::{AppId, IntegrationKey},
        link::{LinkOrigin, LinkState},
    };

    fn person(name: &str) -> PersonId {
        PersonId::derive(&IntegrationKey::new("acme", "hr"), &AppId::new(name))
    }

    fn link(written: Value, resource: Option<Value>) -> Link {
        Link {
            person: person("ada"),
            app_id: AppId::new("1"),
            state: LinkState::UnprovenLive,
            origin: LinkOrigin::Created,
            assigned: true,
            active: true,
            written: serde_json::from_value::<Map<String, Value>>(written).unwrap(),
            inputs: None,
            resource,
        }
    }

    #[test]
    fn ai9_an_account_is_proved_by_the_persons_id_or_by_the_username_that_the_link_remembers() {
        let shown = Some(json!({"userName": "Ada"}));
        let (ada, bob) = (person("ada").to_string(), person("bob").to_string());
        for (written, resource, directory, account, proved, why) in [
            (json!({}), None, None, json!({"externalId": ada, "userName": "other"}), true, "our id"),
            (json!({"userName": "ada"}), None, None, json!({"userName": "ADA"}), true, "the username that was written"),
            (json!({"userName": "x"}), shown.clone(), None, json!({"userName": "ada"}), true, "the username that was shown"),
            (json!({"userName": "ada"}), None, None, json!({"externalId": bob, "userName": "eve"}), false, "somebody else"),
            (json!({"userName": "ada"}), None, None, json!({"externalId": "", "userName": ""}), false, "nothing is shown"),
            (json!({"userName": "ada"}), None, None, json!({}), false, "nothing is shown at all"),
            (json!({}), None, None, json!({"userName": "ada"}), false, "nothing is remembered"),
            (json!({}), None, Some(""), json!({"userName": ""}), false, "nothing equals nothing"),
            (json!({}), None, Some("ada"), json!({"userName": "Ada"}), true, "the directory's username stands for it"),
            (json!({"userName": "ada"}), None, None, json!({"externalId": bob, "userName": "ada"}), false, "it says whose it is"),
            (json!({"userName": "ada"}), None, None, json!({"externalId": "4711", "userName": "ada"}), true, "a foreign number"),
            (json!({"userName": "x"}), None, Some("ada"), json!({"userName": "ada"}), false, "only where nothing else is remembered"),
        ] {
            let account = Record { id: AppId::new("1"), resource: account };
            assert_eq!(Remembered::of(&link(written, resource), directory).is_shown_by(&account, None), proved, "{why}");
        }
        let imported = Remembered::of(&link(json!({}), None), Some("ada@example.org"));
        let account = Record { id: AppId::new("1"), resource: json!({"userName": "ada"}) };
        assert!(!imported.is_shown_by(&account, None));
        assert!(imported.is_shown_by(&account, Some("Ada@Example.org")), "as the username format makes it of the record");
    }

    #[test]
    fn ai9_every_state_of_a_link_has_its_unproven_one() {
        for (unproven, proved) in [
            (LinkState::UnprovenLive, LinkState::Live),
            (LinkState::UnprovenAbsence, LinkState::EndedByAbsence),
            (LinkState::UnprovenRemoval, LinkState::EndedByRemoval),
        ] {
            assert!(unproven.is_unproven() && !proved.is_unproven());
            assert_eq!((unproven.proved(), proved.proved()), (proved, proved));
            for state in [unproven, proved] {
                assert_eq!(LinkState::parse(state.as_str()), Some(state));
            }
        }
    }
}
