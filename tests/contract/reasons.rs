//! Condition types and reasons: one word each, documented, and short enough for a status.

use std::collections::HashSet;

use joinery::api::{ConditionType, Reason};

#[test]
fn every_reason_and_every_type_is_documented() {
    let words = Reason::ALL.iter().map(|reason| (reason.as_str(), reason.meaning()));
    let types = ConditionType::ALL.iter().map(|kind| (kind.as_str(), kind.meaning()));
    for (word, meaning) in words.chain(types) {
        assert!(word.len() <= 64 && word.chars().all(|letter| letter.is_ascii_alphanumeric()), "{word} is no CamelCase word");
        assert!(word.starts_with(|letter: char| letter.is_ascii_uppercase()), "{word} is no CamelCase word");
        assert!(meaning.len() > 10 && (meaning.contains(". ") || meaning.ends_with(['.', '?'])), "{word}: {meaning:?} explains nothing");
    }
}

#[test]
fn no_word_means_two_things() {
    let reasons: HashSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(reasons.len(), Reason::ALL.len());
    let types: HashSet<&str> = ConditionType::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(types.len(), ConditionType::ALL.len());
}
