//! The documentation of each function, and the page of the manual that lists them.

use std::fmt::Write;

use datafusion::logical_expr::{DocSection, Documentation};

use crate::definition::{Audience, Definition, Form};
use crate::definitions;

const USERS: DocSection = DocSection {
    include: true,
    label: "Functions of the sky and of photometry",
    description: Some("Called by name in a query. The names are sciSQL's, and so is what they do with NULL."),
};

const IVOA: DocSection = DocSection {
    include: true,
    label: "Functions of the IVOA's catalogue",
    description: Some(
        "Called by name in a query. They are those of the Catalogue of ADQL User Defined Functions 1.2, and mean the same \
         in every TAP service that has them.",
    ),
};

const TRANSLATION: DocSection = DocSection {
    include: true,
    label: "What ADQL's geometry and arithmetic become",
    description: Some(
        "Written by the translation of ADQL to SQL, and seen in EXPLAIN. In a query, write ADQL's own functions.",
    ),
};

/// A function's documentation in DataFusion's form.
pub(crate) fn documentation(definition: &Definition) -> Documentation {
    let section = match definition.audience {
        // The prefix is reserved for what the IVOA has agreed on.
        Audience::Users if definition.name.starts_with("ivo_") => IVOA,
        Audience::Users => USERS,
        Audience::Translation => TRANSLATION,
    };
    let description = format!("{}\n\n{}", definition.summary, definition.missing);
    let mut syntaxes = definition.forms.iter().map(|form| syntax(definition.name, form));
    let mut builder = Documentation::builder(section, description, syntaxes.next().unwrap_or_default())
        .with_sql_example(definition.example);
    for syntax in syntaxes {
        builder = builder.with_alternative_syntax(syntax);
    }
    for form in definition.forms {
        for argument in form.arguments {
            builder = builder.with_argument(argument.name, argument.meaning);
        }
        if form.vertices.is_some() {
            builder = builder.with_argument("v1_lon, v1_lat, ...", "the vertices in order, in degrees");
        }
    }
    builder.build()
}

/// The page of the manual that lists every function, in Markdown. It ends with a line break.
#[must_use]
pub fn manual() -> String {
    let mut page = String::from("# Functions\n");
    let mut section = "";
    for definition in definitions() {
        let documentation = documentation(definition);
        if documentation.doc_section.label != section {
            section = documentation.doc_section.label;
            let about = documentation.doc_section.description.unwrap_or_default();
            page.push_str(&format!("\n## {section}\n\n{about}\n"));
        }
        write_function(&mut page, definition, &documentation);
    }
    page
}

fn write_function(page: &mut String, definition: &Definition, documentation: &Documentation) {
    let alternatives = documentation.alternative_syntax.iter().flatten();
    let syntaxes: Vec<&str> =
        [&documentation.syntax_example].into_iter().chain(alternatives).map(String::as_str).collect();
    let unit = definition.unit.map(|unit| format!(" in {unit}")).unwrap_or_default();
    let returns = format!("{}{unit}", definition.returns.type_name());
    // Writing to a String cannot fail.
    let _ = write!(page, "\n### `{}`\n\n", definition.name);
    let _ = write!(page, "```sql\n{}\n```\n\n", syntaxes.join("\n"));
    let _ = write!(page, "Returns {returns}. {}\n\n", documentation.description);
    for (name, meaning) in documentation.arguments.iter().flatten() {
        let _ = writeln!(page, "- `{name}`: {meaning}");
    }
    if let Some(example) = &documentation.sql_example {
        let _ = write!(page, "\n```sql\n{example}\n```\n");
    }
}

fn syntax(name: &str, form: &Form) -> String {
    let mut arguments = form.names(form.vertices.map_or(0, |vertices| vertices.at_least));
    if form.vertices.is_some() {
        arguments.push("...".to_owned());
    }
    format!("{name}({})", arguments.join(", "))
}
