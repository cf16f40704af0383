//! Headers: cards of 80 characters, in blocks of 36.

use super::BLOCK_BYTES;

const CARD_BYTES: usize = 80;

/// Characters that a card has for a quoted text: it stands behind `KEYWORD = ` and between two quotes.
const TEXT_BYTES: usize = CARD_BYTES - 12;

/// Appends one header, card by card.
pub(super) struct Cards<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Cards<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start }
    }

    pub(super) fn logical(&mut self, keyword: &str, value: bool, comment: &str) -> &mut Self {
        self.card(&format!("{keyword:<8}= {:>20} / {comment}", if value { 'T' } else { 'F' }))
    }

    pub(super) fn integer(&mut self, keyword: &str, value: impl std::fmt::Display, comment: &str) -> &mut Self {
        let comment = if comment.is_empty() { String::new() } else { format!(" / {comment}") };
        self.card(&format!("{keyword:<8}= {value:>20}{comment}"))
    }

    /// A text. One that is too long for a card goes on in the next ones (FITS 4.0, section 4.2.1.2).
    pub(super) fn text(&mut self, keyword: &str, value: &str) -> &mut Self {
        let mut pieces = pieces(value).into_iter().peekable();
        let mut head = format!("{keyword:<8}= ");
        while let Some(piece) = pieces.next() {
            let goes_on = if pieces.peek().is_some() { "&" } else { "" };
            self.card(&format!("{head}'{:<8}'", piece + goes_on));
            "CONTINUE  ".clone_into(&mut head);
        }
        self
    }

    /// [`Cards::text`] if there is one that is not empty, else nothing.
    pub(super) fn optional(&mut self, keyword: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) if !value.is_empty() => self.text(keyword, value),
            _ => self,
        }
    }

    /// A remark for people.
    pub(super) fn comment(&mut self, text: &str) -> &mut Self {
        let text: Vec<char> = text.chars().map(printable).collect();
        for line in text.chunks(CARD_BYTES - 8) {
            self.card(&format!("COMMENT {}", line.iter().collect::<String>()));
        }
        self
    }

    /// Ends the header.
    pub(super) fn end(mut self) {
        self.card("END");
        let block = usize::try_from(BLOCK_BYTES).unwrap_or(1);
        let whole = self.start + (self.out.len() - self.start).next_multiple_of(block);
        self.out.resize(whole, b' ');
    }

    fn card(&mut self, text: &str) -> &mut Self {
        let end = self.out.len() + CARD_BYTES;
        // All that comes here is ASCII, and what is not comment is short enough.
        self.out.extend(text.bytes().take(CARD_BYTES));
        self.out.resize(end, b' ');
        self
    }
}

/// The text with quotes doubled, in pieces that fit a card each with the mark that there is more.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    // What fits one card needs no mark.
    let whole: usize = text.chars().map(|character| if character == '\'' { 2 } else { 1 }).sum();
    let room = if whole <= TEXT_BYTES { TEXT_BYTES } else { TEXT_BYTES - 1 };
    for character in text.chars().map(printable) {
        let length = if character == '\'' { 2 } else { 1 };
        if pieces.last().is_some_and(|piece| piece.len() + length > room) {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.extend(std::iter::repeat_n(character, length));
        }
    }
    pieces
}

/// The character, or what stands for it in a header, which has printable ASCII only.
fn printable(character: char) -> char {
    match character {
        ' '..='~' => character,
        character if character.is_whitespace() => ' ',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Cards<'_>)) -> Vec<String> {
        let mut out = Vec::new();
        let mut cards = Cards::new(&mut out);
        write(&mut cards);
        cards.end();
        assert_eq!(out.len() % 2880, 0);
        let lines = out.chunks(CARD_BYTES).map(|card| String::from_utf8(card.to_vec()).unwrap().trim_end().to_owned());
        lines.take_while(|line| line != "END").collect()
    }

    #[test]
    fn values_stand_where_the_standard_has_them() {
        let lines = written(|cards| {
            cards
                .logical("SIMPLE", true, "it is")
                .integer("NAXIS1", 12, "")
                .text("TUNIT1", "it's")
                .text("TTYPE2", "α\n");
        });
        assert_eq!(
            lines,
            [
                "SIMPLE  =                    T / it is",
                "NAXIS1  =                   12",
                "TUNIT1  = 'it''s   '",
                "TTYPE2  = '?       '",
            ]
        );
    }

    #[test]
    fn long_text_goes_on() {
        let text = format!("{}'{}", "a".repeat(66), "b".repeat(80));
        let lines = written(|cards| {
            cards.text("QUERY", &text).text("FITS", &"c".repeat(68));
        });
        assert_eq!(lines[0], format!("QUERY   = '{}&'", "a".repeat(66)));
        assert_eq!(lines[1], format!("CONTINUE  '''{}&'", "b".repeat(65)));
        assert_eq!(lines[2], format!("CONTINUE  '{}'", "b".repeat(15)));
        assert_eq!(lines[3], format!("FITS    = '{}'", "c".repeat(68)));
    }
}
