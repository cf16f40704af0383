//! From the syntax tree back to text.
//!
//! What is printed parses to the same tree. So the printer adds no parentheses and drops none: those of the author are nodes
//! of the tree. It writes every clause, operator and alias in one form (`AS` in front of every alias, `JOIN` for
//! `INNER JOIN`, `<>` for `!=`), keywords in upper case, and names as they are.

mod expression;
mod query;
mod stream;
#[cfg(test)]
mod tests;

pub use stream::format_stream;

use crate::ast::{Name, Query};

/// Longest line of a select list, in bytes; a longer list gets a line for each of its items.
const LINE: usize = 100;

/// What one level of nesting is indented by.
const INDENT: &str = "    ";

/// How the text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// All in one line, unless a text or a quoted name has line ends in it.
    OneLine,
    /// A line for each clause, sub-queries indented.
    Lines,
}

/// The query in one line.
pub(crate) fn one_line(query: &Query) -> String {
    print(query, Layout::OneLine)
}

/// The query with a line for each clause.
pub(crate) fn lines(query: &Query) -> String {
    print(query, Layout::Lines)
}

fn print(query: &Query, layout: Layout) -> String {
    let mut printer = Printer { text: String::new(), layout, indent: 0 };
    printer.query(query);
    printer.text
}

/// The text so far.
struct Printer {
    text: String,
    layout: Layout,
    /// Levels of nesting around the present place.
    indent: usize,
}

impl Printer {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Goes to the place where the next clause begins.
    fn next_clause(&mut self) {
        match self.layout {
            Layout::OneLine => self.push(" "),
            Layout::Lines => self.new_line(),
        }
    }

    fn new_line(&mut self) {
        self.push("\n");
        for _ in 0..self.indent {
            self.push(INDENT);
        }
    }

    /// What `inside` writes, in parentheses and one level deeper.
    fn parenthesised(&mut self, inside: impl FnOnce(&mut Self)) {
        self.push("(");
        self.indent += 1;
        if self.layout == Layout::Lines {
            self.new_line();
        }
        inside(self);
        self.indent -= 1;
        if self.layout == Layout::Lines {
            self.new_line();
        }
        self.push(")");
    }

    /// The items with `between` between them.
    fn separated<T>(&mut self, items: &[T], between: &str, write: impl Fn(&mut Self, &T)) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.push(between);
            }
            write(self, item);
        }
    }

    fn listed<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.separated(items, ", ", write);
    }

    fn name(&mut self, name: &Name) {
        if name.quoted {
            self.quoted(&name.text, '"');
        } else {
            self.push(&name.text);
        }
    }

    fn path(&mut self, path: &[Name]) {
        self.separated(path, ".", Self::name);
    }

    fn alias(&mut self, alias: Option<&Name>) {
        if let Some(alias) = alias {
            self.push(" AS ");
            self.name(alias);
        }
    }

    /// The text between two quotes, those in it doubled.
    fn quoted(&mut self, text: &str, quote: char) {
        self.text.push(quote);
        for character in text.chars() {
            if character == quote {
                self.text.push(quote);
            }
            self.text.push(character);
        }
        self.text.push(quote);
    }

    fn number(&mut self, number: u64) {
        self.push(&number.to_string());
    }
}
