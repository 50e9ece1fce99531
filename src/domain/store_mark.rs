//! Is this the store that an integration's status speaks of (SG-12)? A volume may be lost and a backup restored; the status
//! outlives both, and says which store wrote it and how far that store had come.

use super::hash::ShortHash;

/// A store, and how far it has come with one integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreMark {
    /// Drawn when the store was created.
    pub id: String,
    /// Grows before the first effect of every run that changes something; never shrinks in one store.
    pub revision: i64,
}

/// What a status says of the store, beside the store that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is that store, or the status speaks of none yet.
    Known,
    /// It is another one, and nobody has taken it up: everything is planned and held.
    Replaced(Replacement),
    /// It is another one, and a user has taken it up.
    TakenUp {
        /// The revision that the store has to reach before the status speaks of it: above every one that a status has shown
        /// or the store has had. So the same backup, restored a second time, is another replacement.
        revision: i64,
    },
}

/// A store in the place of the one that a status speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// What the status says.
    pub remembered: StoreMark,
    /// What is there.
    pub present: StoreMark,
}

impl Replacement {
    /// Is it the same store in an earlier state, as from a backup? Otherwise it is another store, such as an empty one.
    pub fn is_older(&self) -> bool {
        self.remembered.id == self.present.id
    }

    /// Names this replacement and no other: what a user takes up is exactly what was looked at.
    pub fn token(&self) -> String {
        // Another store is named by its id alone: its revision moves while it is being taken up.
        let revision = self.is_older().then_some(self.present.revision);
        let names = (&self.remembered.id, self.remembered.revision, &self.present.id, revision);
        hex::encode(ShortHash::of_json(&names).0)
    }
}

/// Compares the mark of a status with the store. `taken_up` is the token that a user has given, if any.
pub fn standing(remembered: Option<&StoreMark>, present: &StoreMark, taken_up: Option<&str>) -> Standing {
    let Some(remembered) = remembered else { return Standing::Known };
    if remembered.id == present.id && remembered.revision <= present.revision {
        return Standing::Known;
    }
    let replacement = Replacement { remembered: remembered.clone(), present: present.clone() };
    if taken_up == Some(replacement.token().as_str()) {
        return Standing::TakenUp { revision: remembered.revision.max(present.revision).saturating_add(1) };
    }
    Standing::Replaced(replacement)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(id: &str, revision: i64) -> StoreMark {
        StoreMark { id: id.to_owned(), revision }
    }

    fn replaced(remembered: &StoreMark, present: &StoreMark) -> Replacement {
        match standing(Some(remembered), present, None) {
            Standing::Replaced(replacement) => replacement,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn j6_sg12_a_store_is_known_by_its_id_and_by_how_far_it_has_come() {
        for (remembered, present, known, why) in [
            (None, mark("a", 0), true, "nothing was ever said"),
            (Some(mark("a", 7)), mark("a", 7), true, "at rest"),
            (Some(mark("a", 7)), mark("a", 9), true, "the status lags behind, or the cluster's own state was restored (J7)"),
            (Some(mark("a", 7)), mark("a", 6), false, "a backup was restored"),
            (Some(mark("a", 7)), mark("b", 0), false, "the volume was lost"),
            (Some(mark("a", 7)), mark("b", 9), false, "another store, further on"),
            (Some(mark("a", 0)), mark("b", 0), false, "another store, of which this integration has had nothing yet"),
        ] {
            assert_eq!(standing(remembered.as_ref(), &present, None) == Standing::Known, known, "{why}");
        }
        assert!(replaced(&mark("a", 7), &mark("a", 6)).is_older());
        assert!(!replaced(&mark("a", 7), &mark("b", 6)).is_older());
    }

    #[test]
    fn j6_only_the_token_of_this_very_replacement_takes_it_up() {
        let (remembered, present) = (mark("a", 7), mark("a", 4));
        let token = replaced(&remembered, &present).token();
        assert_eq!(standing(Some(&remembered), &present, Some(&token)), Standing::TakenUp { revision: 8 });
        for (remembered, present, why) in [
            (mark("a", 7), mark("a", 5), "another backup"),
            (mark("a", 8), mark("a", 4), "the same backup after more was done"),
            (mark("a", 7), mark("b", 4), "another store"),
            (mark("c", 7), mark("a", 4), "in the place of another store"),
        ] {
            assert!(matches!(standing(Some(&remembered), &present, Some(&token)), Standing::Replaced(_)), "{why}");
        }
        for wrong in ["", "yes", &token[1..]] {
            assert!(matches!(standing(Some(&remembered), &present, Some(wrong)), Standing::Replaced(_)), "{wrong:?}");
        }
    }

    #[test]
    fn j6_taking_a_store_up_can_be_done_twice_and_works_once() {
        // Between the store and the status a crash may come: the token still fits.
        let (remembered, present) = (mark("a", 7), mark("b", 0));
        let token = replaced(&remembered, &present).token();
        let Standing::TakenUp { revision } = standing(Some(&remembered), &present, Some(&token)) else { panic!("taken up") };
        assert_eq!(standing(Some(&remembered), &mark("b", revision), Some(&token)), Standing::TakenUp { revision: revision + 1 });
        // The same backup again: the status has moved on by then, and the annotation that is still there says nothing of it.
        let (first, backup) = (mark("a", 7), mark("a", 4));
        let token = replaced(&first, &backup).token();
        let Standing::TakenUp { revision } = standing(Some(&first), &backup, Some(&token)) else { panic!("taken up") };
        assert_eq!(standing(Some(&first), &mark("a", revision), Some(&token)), Standing::Known);
        assert!(matches!(standing(Some(&mark("a", revision)), &backup, Some(&token)), Standing::Replaced(_)));
    }
}
