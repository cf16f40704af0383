//! Blanks, quotes and other signs that look like those of ADQL and are none: what word processors, web pages and some keyboards
//! put in their place.
//!
//! Each stands for one sign of ADQL, so that columns of faults stay those of the user's text.

use std::borrow::Cow;

use sqlparser::tokenizer::Location;

use super::at;
use crate::options::Level;
use crate::report::Report;

/// Where a place in the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Comment,
    /// Between quotes that this one closes, and the curly ones that mean the same if one of those opened them.
    Quotes {
        quote: char,
        curly: bool,
    },
}

/// The text with ADQL's own signs. Under the strict level blanks are faults, and the other signs stay, for the parser to
/// say what is wrong with them.
pub(super) fn plain<'t>(text: &'t str, report: &mut Report<'_>) -> Cow<'t, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let strict = report.level() == Level::Strict;
    let mut plain = String::with_capacity(text.len());
    let mut told: Vec<char> = Vec::new();
    let mut inside = Inside::Nothing;
    let mut here = Location::new(1, 1);
    let mut previous = ' ';
    for letter in text.chars() {
        let meant = match inside {
            Inside::Nothing => stands_for(letter),
            Inside::Comment => None,
            Inside::Quotes { quote, curly } => stands_for(letter).filter(|meant| curly && *meant == quote),
        };
        let blank = meant == Some(' ');
        if let Some(meant) = meant.filter(|_| !strict || blank)
            && !told.contains(&letter)
        {
            told.push(letter);
            report.lenient(at(here), remark(letter, meant));
        }
        let meant = meant.filter(|_| !strict || blank);
        let sign = meant.unwrap_or(letter);
        inside = match inside {
            Inside::Comment if letter == '\n' => Inside::Nothing,
            Inside::Quotes { quote, .. } if sign == quote => Inside::Nothing,
            Inside::Nothing if matches!(sign, '\'' | '"' | '`') => {
                Inside::Quotes { quote: sign, curly: meant.is_some() }
            }
            Inside::Nothing if sign == '-' && previous == '-' => Inside::Comment,
            inside => inside,
        };
        previous = sign;
        plain.push(sign);
        here = if letter == '\n' { Location::new(here.line + 1, 1) } else { Location::new(here.line, here.column + 1) };
    }
    Cow::Owned(plain)
}

/// The sign of ADQL that another one is written for.
fn stands_for(letter: char) -> Option<char> {
    Some(match letter {
        letter if letter.is_ascii() => return None,
        // What some editors begin a file with. Other blanks without width may stand inside of a word.
        '\u{feff}' => ' ',
        letter if letter.is_whitespace() => ' ',
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' | '\u{00b4}' | '\u{2032}' | '\u{ff07}' => '\'',
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' | '\u{2033}' | '\u{ff02}' => '"',
        // The longest dash may be the `--` of a comment as well.
        '\u{2010}' | '\u{2011}' | '\u{2012}' | '\u{2013}' | '\u{2212}' => '-',
        '\u{00d7}' | '\u{2217}' | '\u{22c5}' => '*',
        '\u{2044}' | '\u{2215}' | '\u{00f7}' => '/',
        // The wide forms of ASCII's own signs, in its order.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - 0xfee0)?,
        _ => return None,
    })
}

fn remark(letter: char, meant: char) -> String {
    let code = u32::from(letter);
    match meant {
        ' ' if letter == '\u{00a0}' => {
            "a no-break space (U+00A0) is no blank in ADQL; write an ordinary one".to_owned()
        }
        ' ' => format!("U+{code:04X} is no blank in ADQL; write an ordinary one"),
        '\'' => format!("`{letter}` (U+{code:04X}) is no quote in ADQL; a text stands between straight quotes, '...'"),
        '"' => format!("`{letter}` (U+{code:04X}) is no quote in ADQL; a name stands between straight quotes, \"...\""),
        meant => format!("`{letter}` (U+{code:04X}) is written {meant} in ADQL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn meant(text: &str) -> String {
        plain(text, &mut Report::new(text, &Options::default())).into_owned()
    }

    #[test]
    fn signs_outside_of_quotes_and_comments_are_adqls() {
        let text = "SELECT\u{a0}\u{201c}a\u{201d} FROM\u{3000}t WHERE b = \u{2018}x \u{2013} y\u{2019} AND c \u{ff1d} \u{2212}1";
        assert_eq!(meant(text), "SELECT \"a\" FROM t WHERE b = 'x \u{2013} y' AND c = -1");
        let kept = "SELECT 'it\u{2019}s\u{a0}\u{ff1d}' AS \"a\u{a0}b\" -- \u{201c}so\u{201d}\nFROM t";
        assert_eq!(meant(kept), kept);
        assert_eq!(meant("SELECT 'a''\u{2019}' \u{2010} 1"), "SELECT 'a''\u{2019}' - 1");
    }

    #[test]
    fn signs_that_are_none_of_ours_stay() {
        for letter in ['é', 'α', '≤', '²', '°'] {
            assert_eq!(stands_for(letter), None, "{letter}");
        }
        for (letter, sign) in ['\u{ff08}', '\u{ff09}', '\u{ff0c}', '\u{ff21}'].into_iter().zip(['(', ')', ',', 'A']) {
            assert_eq!(stands_for(letter), Some(sign));
        }
    }
}
