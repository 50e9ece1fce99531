//! How texts compare: usernames, e-mail addresses (MT-3).

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The form in which usernames and e-mail addresses are looked up: NFC, case-folded (MT-3). Whether a match also holds
/// case-sensitively is decided on the values themselves.
pub fn fold_key(text: &str) -> String {
    // Nearly all of them are ASCII, where folding is lower-casing and every text is NFC.
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    caseless::default_case_fold_str(&text.nfc().collect::<String>()).nfc().collect()
}

/// Do two texts have the same code points once both are NFC (MT-3)?
pub fn same_text(left: &str, right: &str) -> bool {
    left == right || (!(is_nfc(left) && is_nfc(right)) && left.nfc().eq(right.nfc()))
}

/// Do two texts have the same [`fold_key`]?
pub fn same_folded(left: &str, right: &str) -> bool {
    left == right || fold_key(left) == fold_key(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_ignores_case_and_composition_and_nothing_else() {
        for (left, right, folded, text, why) in [
            ("Ada", "aDA", true, false, "case"),
            ("zo\u{eb}", "zoe\u{308}", true, true, "composed and decomposed"),
            ("ZO\u{cb}", "zoe\u{308}", true, false, "both"),
            ("stra\u{df}e", "STRASSE", true, false, "full case folding"),
            ("zoe", "zo\u{eb}", false, false, "a diacritic is another letter"),
            ("ada", "ada ", false, false, "white space counts"),
        ] {
            assert_eq!(same_folded(left, right), folded, "{why}");
            assert_eq!(same_text(left, right), text, "{why}");
        }
    }
}
