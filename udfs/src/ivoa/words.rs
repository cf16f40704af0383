//! Words of a text as a search for words sees them: without letter case and without their grammatical endings.

use rust_stemmers::{Algorithm, Stemmer};

use super::letters::folded;

/// English words, many of them astronomers', whose forms differ by more than an ending.
const IRREGULAR: &[(&str, &str)] = &[
    ("drawn", "draw"),
    ("found", "find"),
    ("given", "give"),
    ("grown", "grow"),
    ("known", "know"),
    ("nebulae", "nebula"),
    ("novae", "nova"),
    ("nuclei", "nucleus"),
    ("radii", "radius"),
    ("seen", "see"),
    ("shown", "show"),
    ("spectra", "spectrum"),
    ("supernovae", "supernova"),
    ("taken", "take"),
];

/// The words that are looked for.
pub(super) struct Needle {
    text: String,
    /// The stems of its words, in order, each once.
    stems: Vec<String>,
    /// Which of them a text has; kept for the next text.
    found: Vec<bool>,
    /// A word in lower case; kept for the next word.
    word: String,
    stemmer: Stemmer,
}

impl Needle {
    pub(super) fn new() -> Self {
        let stemmer = Stemmer::create(Algorithm::English);
        Self { text: String::new(), stems: Vec::new(), found: Vec::new(), word: String::new(), stemmer }
    }

    /// Reads the words to look for; the same ones again cost nothing.
    pub(super) fn read(&mut self, text: &str) {
        if self.text == text {
            return;
        }
        self.text.clear();
        self.text.push_str(text);
        self.stems = words(text)
            .map(|word| {
                let word: String = word.chars().map(folded).collect();
                self.stemmer.stem(regular(&word)).into_owned()
            })
            .collect();
        self.stems.sort();
        self.stems.dedup();
    }

    /// Whether a text has all of the words; never, if there are none.
    pub(super) fn is_in(&mut self, text: &str) -> bool {
        let mut missing = self.stems.len();
        if missing == 0 {
            return false;
        }
        self.found.clear();
        self.found.resize(missing, false);
        for word in words(text) {
            // No ending changes the first letter: most words need no look at their endings.
            let Some(first) = word.chars().next().map(folded) else { continue };
            let mut letter = [0; 4];
            let letter: &str = first.encode_utf8(&mut letter);
            let place = self.stems.partition_point(|stem| stem.as_str() < letter);
            if !self.stems.get(place).is_some_and(|stem| stem.starts_with(first)) {
                continue;
            }
            self.word.clear();
            self.word.extend(word.chars().map(folded));
            let stem = self.stemmer.stem(regular(&self.word));
            let Ok(place) = self.stems.binary_search_by(|known| known.as_str().cmp(&stem)) else { continue };
            if let Some(found @ false) = self.found.get_mut(place) {
                *found = true;
                missing -= 1;
                if missing == 0 {
                    return true;
                }
            }
        }
        false
    }
}

/// Runs of letters and digits.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn regular(word: &str) -> &str {
    IRREGULAR
        .binary_search_by(|(irregular, _)| (*irregular).cmp(word))
        .map_or(word, |place| IRREGULAR.get(place).map_or(word, |(_, regular)| *regular))
}

#[cfg(test)]
mod tests {
    use super::{IRREGULAR, Needle};

    #[test]
    fn irregular_words_are_in_order() {
        assert!(IRREGULAR.is_sorted());
        assert!(IRREGULAR.iter().all(|(irregular, regular)| irregular.as_bytes()[0] == regular.as_bytes()[0]));
    }

    #[test]
    fn words_are_found_in_their_forms() {
        let mut needle = Needle::new();
        for (text, words, expected) in [
            ("Spectra of Galaxies", "galaxy spectrum", true),
            ("observed quasars", "QUASAR observing", true),
            ("a survey of stars, galaxies and dust", "dust star galaxies star", true),
            ("a survey of starbursts", "star", false),
            ("2MASS All-Sky Catalog", "all sky 2mass", true),
            ("Étoiles", "étoile", true),
            ("ΣΕΙΡΙΟΣ", "Σείριος", false),
            ("Σείριος", "σεΊΡΙΟΣ", true),
            ("anything", "", false),
            ("anything", " - ", false),
            ("", "anything", false),
        ] {
            needle.read(words);
            assert_eq!(needle.is_in(text), expected, "{text}: {words}");
        }
    }
}
