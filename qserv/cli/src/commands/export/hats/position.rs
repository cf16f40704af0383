//! Which columns of an answer are the position of its rows.

use arrow::datatypes::{FieldRef, Schema};
use qserv_core::query::{describe, field_metadata};
use qserv_core::{Error, Result};

/// Right ascension and declination, by their places among the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Position {
    pub(super) columns: [usize; 2],
    pub(super) names: [String; 2],
}

/// What each is called, and the word of its UCD.
const COORDINATES: [(&str, &str); 2] = [("right ascension", "pos.eq.ra"), ("declination", "pos.eq.dec")];

impl Position {
    /// The named columns, else those that their UCDs declare to be the position.
    ///
    /// # Errors
    /// `Invalid` if there are none, several, or those that are named are no numbers of degrees.
    pub(super) fn of(schema: &Schema, named: Option<&[String; 2]>) -> Result<Self> {
        let mut columns = [0; 2];
        for (place, (words, ucd)) in columns.iter_mut().zip(COORDINATES) {
            let name = named.map(|names| if ucd == COORDINATES[0].1 { &names[0] } else { &names[1] });
            *place = match name {
                Some(name) => by_name(schema, name)?,
                None => by_ucd(schema, words, ucd)?,
            };
            check(schema.field(*place), name.is_some())?;
        }
        Ok(Self { columns, names: columns.map(|column| schema.field(column).name().clone()) })
    }
}

fn by_name(schema: &Schema, name: &str) -> Result<usize> {
    let fields = || schema.fields().iter();
    let exact = fields().position(|field| field.name() == name);
    exact.or_else(|| fields().position(|field| field.name().eq_ignore_ascii_case(name))).ok_or_else(|| {
        Error::invalid("the answer has no column of this name").with("option", "--position").with("column", name)
    })
}

fn by_ucd(schema: &Schema, words: &str, ucd: &str) -> Result<usize> {
    let has = |field: &FieldRef, word: &str| {
        describe(field, field_metadata::UCD).is_some_and(|ucd| ucd.split(';').any(|part| part.trim() == word))
    };
    let places = |main: bool| -> Vec<usize> {
        let fields = schema.fields().iter().enumerate();
        fields.filter(|(_, field)| has(field, ucd) && (!main || has(field, "meta.main"))).map(|(at, _)| at).collect()
    };
    let main = places(true);
    match (main.as_slice(), places(false).as_slice()) {
        ([one], _) | ([], [one]) => Ok(*one),
        _ => Err(Error::invalid(format!(
            "a HATS catalog needs the positions of its rows, and no single column is declared to be the {words} ({ucd}); \
             name the columns with --position RA,DEC"
        ))),
    }
}

fn check(field: &arrow::datatypes::Field, is_named: bool) -> Result<()> {
    if !field.data_type().is_numeric() {
        return Err(Error::invalid("a position has numbers as its coordinates").with("column", field.name()));
    }
    match describe(field, field_metadata::UNIT) {
        None | Some("deg") => Ok(()),
        Some("") if is_named => Ok(()),
        Some(unit) => Err(Error::invalid("the positions of a HATS catalog are in degrees")
            .with("column", field.name())
            .with("unit", unit)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::datatypes::{DataType, Field};

    use super::*;

    fn schema(columns: &[(&str, &str, &str)]) -> Schema {
        let field = |(name, ucd, unit): &(&str, &str, &str)| {
            let said = [("ucd", *ucd), ("unit", *unit)].map(|(key, value)| (key.to_owned(), value.to_owned()));
            Field::new(*name, DataType::Float64, true).with_metadata(HashMap::from(said))
        };
        Schema::new(columns.iter().map(field).collect::<Vec<_>>())
    }

    #[test]
    fn positions_are_found_or_asked_for() {
        let main =
            [("a", "pos.eq.ra;meta.main", "deg"), ("b", "pos.eq.ra", "deg"), ("d", "pos.eq.dec;meta.main", "deg")];
        assert_eq!(Position::of(&schema(&main), None).unwrap().names, ["a", "d"]);
        let only = [("a", "pos.eq.ra", "deg"), ("d", "pos.eq.dec", "deg"), ("e", "stat.error;pos.eq.dec2", "deg")];
        assert_eq!(Position::of(&schema(&only), None).unwrap().columns, [0, 1]);
        let named = ["B".to_owned(), "d".to_owned()];
        assert_eq!(Position::of(&schema(&main), Some(&named)).unwrap().columns, [1, 2]);
        let refused = [
            (&[("a", "phot.flux", "deg")][..], None, "--position"),
            (&[("a", "pos.eq.ra", "deg"), ("b", "pos.eq.ra", "deg"), ("d", "pos.eq.dec", "deg")], None, "--position"),
            (&main, Some(["a".to_owned(), "x".to_owned()]), "no column"),
            (&[("a", "pos.eq.ra", "rad"), ("d", "pos.eq.dec", "rad")], None, "in degrees"),
        ];
        for (columns, named, words) in refused {
            let error = Position::of(&schema(columns), named.as_ref()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
