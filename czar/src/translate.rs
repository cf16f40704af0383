//! ADQL against the names of a snapshot.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::Statement;
use qserv_adql::{Column as NamedColumn, Fault, Metadata, NameList, Options, OutputColumn, TypeClass};
use qserv_core::catalog::tap_schema;
use qserv_core::catalog::{Column, ColumnType, Snapshot, Table, TableKind};
use qserv_core::query::field_metadata;
use qserv_core::{Error, Result};

use crate::functions::functions;

/// What a snapshot calls its databases, tables and columns, and what a query brings along beside it.
#[derive(Debug, Clone)]
pub struct Names {
    list: Arc<NameList>,
    /// Of the query alone. Its databases are none of the snapshot's.
    brought: Arc<NameList>,
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
                list.add_described_table(name, &table.table.name, table.table.columns.iter().map(described));
                placed(&mut list, name, &table.table);
            }
        }
        for (table, _) in tap_schema::tap_schema(snapshot)? {
            list.add_described_table(tap_schema::TAP_SCHEMA, &table.name, table.columns.iter().map(described));
        }
        let options = Options { functions: functions(), ..Options::default() };
        Ok(Self { list: Arc::new(list), brought: Arc::default(), options })
    }

    /// These names and, beside them, those of a database that the snapshot does not have. The snapshot's are shared.
    #[must_use]
    pub(crate) fn with(&self, brought: NameList) -> Self {
        Self { brought: Arc::new(brought), ..self.clone() }
    }
}

/// Tells how the rows of a table are spread over the sky, and which column is its key.
fn placed(list: &mut NameList, database: &str, table: &Table) {
    let (position, director) = match &table.kind {
        TableKind::Director { key, position } => {
            list.set_key(database, &table.name, key);
            (Some(position), None)
        }
        // A row lies where its director lies; its own position is near that.
        TableKind::Child { director, position, director_position, .. } => {
            (position.as_ref().or(director_position.as_ref()), Some(director))
        }
        TableKind::Match { .. } | TableKind::Replicated => (None, None),
    };
    if let [key] = table.primary_key.as_slice() {
        list.set_key(database, &table.name, key);
    }
    if let Some([lon, lat]) = position {
        list.set_position(database, &table.name, (lon, lat));
    }
    if let Some(director) = director {
        list.set_director(database, &table.name, director);
    }
}

impl qserv_adql::Names for Names {
    fn databases(&self) -> Vec<&str> {
        let mut databases = self.list.databases();
        databases.extend(self.brought.databases());
        databases
    }

    fn tables(&self, database: &str) -> Vec<&str> {
        let mut tables = self.list.tables(database);
        tables.extend(self.brought.tables(database));
        tables
    }

    fn columns(&self, database: &str, table: &str) -> Vec<NamedColumn<'_>> {
        let columns = self.list.columns(database, table);
        if columns.is_empty() { self.brought.columns(database, table) } else { columns }
    }

    fn position(&self, database: &str, table: &str) -> Option<(&str, &str)> {
        self.list.position(database, table)
    }

    fn director(&self, database: &str, table: &str) -> Option<&str> {
        self.list.director(database, table)
    }
}

/// A column that is known by its field alone, for name resolution.
pub(crate) fn described_field(field: &Field) -> (String, TypeClass, Metadata) {
    let told = |key| qserv_core::query::describe(field, key).map(str::to_owned);
    let xtype = told(field_metadata::XTYPE);
    let class = match (field.data_type(), xtype.as_deref()) {
        (DataType::List(_), Some("point")) => TypeClass::Point,
        (DataType::List(_), Some("circle")) => TypeClass::Circle,
        (DataType::List(_), Some("polygon")) => TypeClass::Polygon,
        (DataType::Boolean, _) => TypeClass::Boolean,
        (datatype, _) if datatype.is_integer() => TypeClass::Integer,
        (datatype, _) if datatype.is_floating() || datatype.is_decimal() => TypeClass::Float,
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, _) => TypeClass::Text,
        (DataType::Binary | DataType::LargeBinary, _) => TypeClass::Binary,
        (DataType::Timestamp(..) | DataType::Date32 | DataType::Date64, _) => TypeClass::Timestamp,
        _ => TypeClass::Other,
    };
    let metadata = Metadata {
        unit: told(field_metadata::UNIT),
        ucd: told(field_metadata::UCD),
        utype: told(field_metadata::UTYPE),
        description: told(field_metadata::DESCRIPTION),
        xtype,
    };
    (field.name().clone(), class, metadata)
}

fn described(column: &Column) -> (String, TypeClass, Metadata) {
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
    let metadata = Metadata {
        unit: column.unit.clone(),
        ucd: column.ucd.clone(),
        utype: column.utype.clone(),
        description: column.description.clone(),
        xtype: column.xtype.clone(),
    };
    (column.name.clone(), class, metadata)
}

/// The field of an output column: its name, and exactly the metadata that are true of it. What the engine passed along from a
/// column may not hold for what was computed of it; only the type of a value that a function made stays.
fn output_field(field: &Field, column: &OutputColumn) -> Field {
    let Metadata { unit, ucd, utype, description, xtype } = &column.metadata;
    let mut metadata = field.metadata().clone();
    for (key, value) in [
        (field_metadata::UNIT, unit),
        (field_metadata::UCD, ucd),
        (field_metadata::UTYPE, utype),
        (field_metadata::DESCRIPTION, description),
    ] {
        match value {
            Some(value) => metadata.insert(key.to_owned(), value.clone()),
            None => metadata.remove(key),
        };
    }
    let shape = matches!(column.class, TypeClass::Point | TypeClass::Circle | TypeClass::Polygon | TypeClass::Other);
    match xtype {
        Some(xtype) => {
            metadata.insert(field_metadata::XTYPE.to_owned(), xtype.clone());
        }
        None if shape => {}
        None => {
            metadata.remove(field_metadata::XTYPE);
        }
    }
    field.clone().with_name(&column.name).with_metadata(metadata)
}

impl Output {
    /// The schema with the names and the metadata that the user is to see.
    #[must_use]
    pub fn rename(&self, schema: &Schema) -> SchemaRef {
        let fields = schema.fields().iter().enumerate().map(|(index, field)| match self.columns.get(index) {
            Some(column) => output_field(field, column),
            None => Field::clone(field),
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// Turns a query into SQL for DataFusion. `parameters`: whether it may leave values open.
///
/// # Errors
/// `Invalid` with every fault of the query, each with its place.
pub fn translate(text: &str, names: &Names, parameters: bool) -> Result<(Statement, Output)> {
    let options = Options { parameters, ..names.options.clone() };
    let translated = qserv_adql::translate(text, names, &options).map_err(|faults| refuse(&faults))?;
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
    fn fields_say_what_is_true_of_computed_columns() {
        let column = |unit: &str, ucd: &str| Metadata {
            unit: Some(unit.to_owned()),
            ucd: Some(ucd.to_owned()),
            utype: Some("a:b".to_owned()),
            description: Some("told".to_owned()),
            xtype: None,
        };
        let mut list = NameList::default();
        let columns = [
            ("r_psfFlux", TypeClass::Float, column("nJy", "phot.flux;em.opt.R")),
            ("ra", TypeClass::Float, column("deg", "pos.eq.ra;meta.main")),
        ];
        list.add_described_table("dp1", "Object", columns);
        let names = Names { list: Arc::new(list), brought: Arc::default(), options: Options::default() };
        let text = "SELECT ra, AVG(r_psfFlux) AS f, ra*2, COUNT(*), DISTANCE(ra, 0, 1, 2) FROM dp1.Object GROUP BY ra";
        let (_, output) = translate(text, &names, false).unwrap();
        // The engine hands the metadata of a column through some expressions.
        let inherited = std::collections::HashMap::from([
            ("unit".to_owned(), "K".to_owned()),
            ("utype".to_owned(), "engine".to_owned()),
            ("xtype".to_owned(), "timestamp".to_owned()),
        ]);
        let field = |index| Field::new(format!("e{index}"), DataType::Float64, true).with_metadata(inherited.clone());
        let schema = output.rename(&Schema::new((0..5).map(field).collect::<Vec<_>>()));
        let told = |key: &str| -> Vec<String> {
            schema.fields().iter().map(|field| field.metadata().get(key).cloned().unwrap_or_default()).collect()
        };
        assert_eq!(told("unit"), ["deg", "nJy", "deg", "", "deg"]);
        assert_eq!(
            told("ucd"),
            ["pos.eq.ra;meta.main", "phot.flux;em.opt.R;stat.mean", "", "meta.number", "pos.angDistance"]
        );
        assert_eq!(told("utype"), ["a:b", "", "", "", ""]);
        assert_eq!(told("xtype"), ["", "", "", "", ""]);
        assert_eq!(told("description"), ["told", "AVG(r_psfFlux)", "ra*2", "COUNT(*)", "DISTANCE(ra, 0, 1, 2)"]);
        assert_eq!(schema.field(1).name(), "f");
    }

    #[test]
    fn explain_is_a_word_before_the_query() {
        assert_eq!(strip_explain("  Explain\nSELECT 1"), ("SELECT 1", true));
        assert_eq!(strip_explain("SELECT explain FROM t"), ("SELECT explain FROM t", false));
        assert_eq!(strip_explain("explained"), ("explained", false));
    }
}
