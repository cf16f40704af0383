//! ADQL against the names of a snapshot.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::Statement;
use qserv_adql::{Fault, NameList, Options, OutputColumn, TypeClass};
use qserv_core::catalog::tap_schema;
use qserv_core::catalog::{Column, ColumnType, Snapshot};
use qserv_core::{Error, Result};

/// What a snapshot calls its databases, tables and columns.
#[derive(Debug, Clone)]
pub struct Names {
    list: NameList,
    options: Options,
}

/// What the answer is to look like, beside its rows.
#[derive(Debug, Clone, Default)]
pub struct Output {
    columns: Vec<OutputColumn>,
    /// Things the user should know, one sentence each.
    pub warnings: Vec<String>,
}

impl Names {
    /// The names of a snapshot, TAP_SCHEMA's among them.
    ///
    /// # Errors
    /// `Internal` if TAP_SCHEMA cannot be made of it.
    pub fn new(snapshot: &Snapshot) -> Result<Self> {
        let mut list = NameList::default();
        for (name, database) in &snapshot.databases {
            for table in &database.tables {
                list.add_table(name, &table.table.name, table.table.columns.iter().map(classified));
            }
        }
        for (table, _) in tap_schema::tap_schema(snapshot)? {
            list.add_table(tap_schema::TAP_SCHEMA, &table.name, table.columns.iter().map(classified));
        }
        Ok(Self { list, options: Options::default() })
    }
}

fn classified(column: &Column) -> (String, TypeClass) {
    let class = match (column.datatype, column.xtype.as_deref()) {
        (_, Some("point")) => TypeClass::Point,
        (_, Some("circle")) => TypeClass::Circle,
        (_, Some("polygon")) => TypeClass::Polygon,
        (ColumnType::Boolean, _) => TypeClass::Boolean,
        (ColumnType::Byte | ColumnType::Short | ColumnType::Int | ColumnType::Long, _) => TypeClass::Integer,
        (ColumnType::Float | ColumnType::Double, _) => TypeClass::Float,
        (ColumnType::Char | ColumnType::String | ColumnType::Unicode | ColumnType::Text, _) => TypeClass::Text,
        (ColumnType::Binary, _) => TypeClass::Binary,
        (ColumnType::Timestamp, _) => TypeClass::Timestamp,
    };
    (column.name.clone(), class)
}

impl Output {
    /// The schema with the names that the user is to see.
    #[must_use]
    pub fn rename(&self, schema: &Schema) -> SchemaRef {
        let fields = schema.fields().iter().enumerate().map(|(index, field)| match self.columns.get(index) {
            Some(column) => Field::clone(field).with_name(&column.name),
            None => Field::clone(field),
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// Turns a query into SQL for DataFusion.
///
/// # Errors
/// `Invalid` with every fault of the query, each with its place.
pub fn translate(text: &str, names: &Names) -> Result<(Statement, Output)> {
    let translated = qserv_adql::translate(text, &names.list, &names.options).map_err(|faults| refuse(&faults))?;
    Ok((translated.statement, Output { columns: translated.columns, warnings: translated.warnings }))
}

fn refuse(faults: &[Fault]) -> Error {
    let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Error::invalid(texts.join("\n"))
}

/// Whether a query asks for its plan, and the query itself.
#[must_use]
pub(crate) fn strip_explain(text: &str) -> (&str, bool) {
    let trimmed = text.trim_start();
    match trimmed.split_at_checked("explain".len()) {
        Some((word, rest)) if word.eq_ignore_ascii_case("explain") && rest.starts_with(char::is_whitespace) => {
            (rest.trim_start(), true)
        }
        _ => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explain_is_a_word_before_the_query() {
        assert_eq!(strip_explain("  Explain\nSELECT 1"), ("SELECT 1", true));
        assert_eq!(strip_explain("SELECT explain FROM t"), ("SELECT explain FROM t", false));
        assert_eq!(strip_explain("explained"), ("explained", false));
    }
}
