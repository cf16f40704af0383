//! Letters without their case.

/// A character in lower case by the Unicode Standard's mapping of single characters (its rule R2 of section 3.13 without
/// the context of words), final sigma as sigma: `ΣΟΦΟΣ` is then `σοφοσ` however it is written.
#[inline]
pub(super) fn folded(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    if character == 'ς' {
        return 'σ';
    }
    let mut lower = character.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        // Only İ, whose lower case is two characters.
        _ => character,
    }
}

/// Whether two texts are equal without their letters' case.
pub(super) fn are_equal(one: &str, two: &str) -> bool {
    if one.is_ascii() && two.is_ascii() {
        return one.eq_ignore_ascii_case(two);
    }
    one.chars().map(folded).eq(two.chars().map(folded))
}
