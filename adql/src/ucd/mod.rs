//! UCDs of computed values: which words the controlled vocabulary lets stand where.
//!
//! A UCD says first what a value is and then what qualifies it. The vocabulary knows words that can only begin one
//! (`stat.variance`), words that never can (`stat.mean`) and words that may do both (`stat.stdev`).

use std::collections::HashMap;
use std::sync::LazyLock;

/// A word a line, behind the letter that says where it may stand.
const WORDS: &str = include_str!("words.txt");

/// The places of one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Places {
    first: bool,
    later: bool,
}

static PLACES: LazyLock<HashMap<String, Places>> = LazyLock::new(|| {
    let lines = WORDS.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter(|(letter, _)| *letter != "#")
        .map(|(letter, word)| (word.to_ascii_lowercase(), Places { first: letter != "S", later: letter != "P" }))
        .collect()
});

/// Whether every word is one of the vocabulary and stands where it may.
pub(crate) fn is_valid(ucd: &str) -> bool {
    ucd.split(';').enumerate().all(|(index, word)| {
        let word = word.trim().to_ascii_lowercase();
        let places = PLACES.get(word.strip_prefix("ivoa:").unwrap_or(&word));
        places.is_some_and(|places| if index == 0 { places.first } else { places.later })
    })
}

/// The UCD of a statistic of values with this one: `None` where the vocabulary has none.
///
/// A word that can begin a UCD and says of which nature the statistic is (`leads`) comes first: the deviation of a flux is no
/// flux. Else the nature stays, and the word qualifies it: the mean of a flux is a flux. The statistic of a main value is
/// not itself the main value of its kind.
pub(crate) fn statistic(ucd: &str, word: &'static str, leads: bool) -> Option<String> {
    let words = ucd.split(';').map(str::trim).filter(|word| !word.eq_ignore_ascii_case("meta.main"));
    let words: Vec<&str> =
        if leads { std::iter::once(word).chain(words).collect() } else { words.chain([word]).collect() };
    Some(words.join(";")).filter(|ucd| is_valid(ucd))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the published list has them: P, S or Q, and E for a photometric quantity.
    const STATISTICS: &[(char, &str)] = &[
        ('S', "stat.max"),
        ('S', "stat.mean"),
        ('S', "stat.median"),
        ('S', "stat.min"),
        ('Q', "stat.percentile"),
        ('Q', "stat.stdev"),
        ('P', "stat.variance"),
        ('P', "stat.correlation"),
        ('P', "stat.covariance"),
        ('S', "meta.main"),
        ('P', "meta.number"),
        ('E', "phot.flux"),
        ('Q', "pos"),
    ];

    #[test]
    fn the_words_of_statistics() {
        for (letter, word) in STATISTICS {
            assert_eq!(is_valid(word), *letter != 'S', "{word}");
            assert_eq!(is_valid(&format!("pos.eq.ra;{word}")), *letter != 'P', "{word}");
        }
        assert_eq!(PLACES.len(), 568);
    }

    #[test]
    fn validity() {
        for ucd in ["phot.flux;em.opt.R", "PHOT.mag; em.opt", "ivoa:pos", "phot.color;em.opt.B;em.opt.V"] {
            assert!(is_valid(ucd), "{ucd}");
        }
        for ucd in ["", ";", "stat.mean;phot.flux", "phot.flux;", "phot.flux;stat.variance", "phot.flux;my.word", "x"] {
            assert!(!is_valid(ucd), "{ucd}");
        }
    }

    #[test]
    fn statistics_of_values() {
        for (ucd, word, leads, expected) in [
            ("phot.flux;em.opt.R", "stat.mean", false, Some("phot.flux;em.opt.R;stat.mean")),
            ("pos.eq.ra;meta.main", "stat.max", false, Some("pos.eq.ra;stat.max")),
            ("stat.error;phot.flux", "stat.min", false, Some("stat.error;phot.flux;stat.min")),
            ("phot.flux", "stat.stdev", true, Some("stat.stdev;phot.flux")),
            ("pos.eq.ra;meta.main", "stat.variance", true, Some("stat.variance;pos.eq.ra")),
            ("stat.error;phot.flux", "stat.variance", true, None),
            ("meta.id;meta.main", "stat.stdev", true, None),
            ("stat.mean;phot.flux", "stat.min", false, None),
            ("homemade", "stat.min", false, None),
        ] {
            assert_eq!(statistic(ucd, word, leads).as_deref(), expected, "{ucd} {word}");
        }
    }
}
