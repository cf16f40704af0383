//! The documentation of each function, and the page of the manual that lists them.

use std::fmt::Write;

use datafusion::logical_expr::{DocSection, Documentation};

use crate::definition::{Definition, Form};
use crate::{aggregate, geometry, ivoa, number, pixel, scisql, shape, value};

/// Functions of one kind, under a heading of their own.
pub(crate) struct Section {
    label: &'static str,
    about: &'static str,
    pub(crate) definitions: &'static [&'static [&'static Definition]],
}

/// The page of the manual, in its order.
pub(crate) const SECTIONS: &[Section] = &[
    Section {
        label: "The sky",
        about: "sciSQL's functions of positions, shapes and triangles on the sky, under sciSQL's names and with what \
                sciSQL does with NULL: queries written for Qserv run unchanged.",
        definitions: &[scisql::SKY],
    },
    Section {
        label: "Photometry",
        about: "sciSQL's conversions of fluxes and magnitudes. Each has a twin that ends in `Sigma` and gives the \
                standard deviation of the result, to first order, from those of the arguments.",
        definitions: &[scisql::PHOTOMETRY],
    },
    Section {
        label: "Pixels",
        about: "HEALPix and H3. A HEALPix cell is known by its order and its number in the nested scheme, an H3 cell by \
                its number alone.",
        definitions: &[pixel::DEFINITIONS],
    },
    Section {
        label: "The IVOA's catalogue",
        about: "The functions of the IVOA's [Catalogue of ADQL User Defined Functions \
                1.2](https://www.ivoa.net/documents/udf-catalogue/), which mean the same in every TAP service that has \
                them; its aggregates are among the aggregates below. Where the catalogue leaves something open:\n\n\
                - A NULL in `ra`, `dec`, `ref_epoch` or `out_epoch` of a propagation, which the catalogue calls an error, \
                is one if it is a constant. A row of a table that has it gets NULL, so that one star without a position \
                does not end a query over many.\n\
                - `ivo_epoch_prop` takes a proper motion of which one component is NULL for unknown: the position stays, as \
                in the catalogue's example. `ivo_epoch_prop_pos` takes each NULL for 0.\n\
                - `ivo_geom_transform` turns FK5 against ICRS by the 0.02″ of the frames' definitions; the catalogue's \
                example takes them for the same. FK4 is without the terms of elliptic aberration: a rotation, as the \
                catalogue asks. Names of frames are in capitals.\n\
                - Words of `ivo_hasword` are equal if their stems are (English, Porter's second algorithm): `galaxy` is in \
                `Galaxies of the North`. No words at all are in no text. In the pattern of `ivo_nocasematch` a backslash is \
                a character like others.",
        definitions: &[ivoa::DEFINITIONS],
    },
    Section {
        label: "Aggregates",
        about: "Of many rows one value: with GROUP BY one for each group, with OVER one for each window. The `qserv_` ones \
                are there for the translation of ADQL's extensions `MEDIAN` and `PERCENTILE`.",
        definitions: &[aggregate::DEFINITIONS],
    },
    Section {
        label: "What ADQL's geometry and arithmetic become",
        about: "Written by the translation of ADQL to SQL, and seen in EXPLAIN. In a query, write ADQL's own functions.\n\n\
                The service hands `RAND(seed)` the columns that tell a row from others, as `qserv_random_of_row(seed, ..)`; in a \
                session of DataFusion without that rule it is a sequence that each call begins anew. `ROUND` and \
                `TRUNCATE` go by a number's shortest decimal form: `ROUND(1.005, 2)` is 1.01 and `TRUNCATE(0.29, 2)` is \
                0.29; half-way cases go away from zero, and whole numbers stay whole.",
        definitions: &[geometry::DEFINITIONS, shape::DEFINITIONS, value::DEFINITIONS, number::DEFINITIONS],
    },
];

/// How to read the page.
const INTRODUCTION: &str = "\
Beside the functions of ADQL itself, queries may call the functions of this page. Their names are matched without regard to
letter case.

Each entry shows how a function is called, what it returns and for which arguments that is NULL or an error, what the
arguments mean, and a query that uses it. Any numeric type is taken where a DOUBLE is asked for. A running service lists the
signatures that it takes, in the form of TAPRegExt, at `/tap/capabilities`.

This page is written by `qserv_udfs::manual()` from the definitions of the functions. After a change of one, write it anew:
`QSERV_WRITE_MANUAL=1 cargo test -p qserv-udfs manual`.
";

/// A function's documentation in DataFusion's form.
pub(crate) fn documentation(definition: &Definition) -> Documentation {
    let holds = |section: &&Section| {
        section.definitions.iter().any(|list| list.iter().any(|held| held.name == definition.name))
    };
    let (label, about) =
        SECTIONS.iter().find(holds).map_or(("Functions", None), |section| (section.label, Some(section.about)));
    let section = DocSection { include: true, label, description: about };
    let description = format!("{}\n\n{}", definition.summary, definition.missing);
    let mut syntaxes = definition.forms.iter().map(|form| syntax(definition.name, form));
    let mut builder = Documentation::builder(section, description, syntaxes.next().unwrap_or_default())
        .with_sql_example(definition.example);
    for syntax in syntaxes {
        builder = builder.with_alternative_syntax(syntax);
    }
    let mut named: Vec<&str> = Vec::new();
    for form in definition.forms {
        for argument in form.arguments {
            // Forms share arguments: each is explained once.
            if !named.contains(&argument.name) {
                named.push(argument.name);
                builder = builder.with_argument(argument.name, argument.meaning);
            }
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
    let mut page = format!("# Functions\n\n{INTRODUCTION}");
    for section in SECTIONS {
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {}\n\n{}\n", section.label, section.about);
        for definition in section.definitions.iter().copied().flatten() {
            write_function(&mut page, definition, &documentation(definition));
        }
    }
    page
}

fn write_function(page: &mut String, definition: &Definition, documentation: &Documentation) {
    let alternatives = documentation.alternative_syntax.iter().flatten();
    let syntaxes: Vec<&str> =
        [&documentation.syntax_example].into_iter().chain(alternatives).map(String::as_str).collect();
    let returns = definition.returns.type_name();
    let _ = write!(page, "\n### `{}`\n\n", definition.name);
    let _ = write!(page, "```sql\n{}\n```\n\n", syntaxes.join("\n"));
    let unit = definition.unit.map(|unit| format!(" in {unit}")).unwrap_or_default();
    let _ = writeln!(page, "Returns {returns}{unit}. {}", documentation.description);
    let arguments: Vec<String> =
        documentation.arguments.iter().flatten().map(|(name, meaning)| format!("- `{name}`: {meaning}\n")).collect();
    if !arguments.is_empty() {
        let _ = write!(page, "\n{}", arguments.concat());
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
