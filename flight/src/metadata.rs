//! What there is to ask, as Flight SQL tells it: one catalog, a schema for each database.

use std::sync::{Arc, LazyLock};

use arrow::array::{Int32Array, RecordBatch, StringArray, UInt8Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_flight::sql::metadata::{
    GetCatalogsBuilder, SqlInfoData, SqlInfoDataBuilder, XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder,
};
use arrow_flight::sql::{
    CommandGetDbSchemas, CommandGetTables, Nullable, Searchable, SqlInfo, SqlSupportedTransaction, XdbcDataType,
};
use qserv_core::catalog::{ForeignKey, Snapshot};
use qserv_core::{Error, Result};

/// The name of the one catalog.
pub(crate) const CATALOG: &str = "qserv";

/// What all tables are.
pub(crate) const TABLE_TYPE: &str = "TABLE";

fn failed(error: ArrowError) -> Error {
    Error::internal("the metadata cannot be made").caused_by(error)
}

/// The one catalog.
pub(crate) fn catalogs() -> Result<RecordBatch> {
    let mut builder = GetCatalogsBuilder::new();
    builder.append(CATALOG);
    builder.build().map_err(failed_in_flight)
}

fn failed_in_flight(error: arrow_flight::error::FlightError) -> Error {
    Error::internal("the metadata cannot be made").caused_by(error)
}

/// The databases that a filter lets through.
pub(crate) fn schemas(filter: CommandGetDbSchemas, snapshot: &Snapshot) -> Result<RecordBatch> {
    let mut builder = filter.into_builder();
    for name in snapshot.databases.keys() {
        builder.append(CATALOG, name);
    }
    builder.build().map_err(failed_in_flight)
}

/// The tables that a filter lets through; their columns, where it asks for them, with the descriptions that answers carry too.
pub(crate) fn tables(filter: CommandGetTables, snapshot: &Snapshot) -> Result<RecordBatch> {
    let mut builder = filter.into_builder();
    for (name, database) in &snapshot.databases {
        for table in &database.tables {
            builder
                .append(CATALOG, name, &table.table.name, TABLE_TYPE, &table.table.schema())
                .map_err(failed_in_flight)?;
        }
    }
    builder.build().map_err(failed_in_flight)
}

fn text(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, nullable)
}

/// The columns of an answer about primary keys.
pub(crate) static PRIMARY_KEYS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        text("catalog_name", true),
        text("db_schema_name", true),
        text("table_name", false),
        text("column_name", false),
        Field::new("key_sequence", DataType::Int32, false),
        text("key_name", true),
    ]))
});

/// A table as Flight SQL names it; what is left out is anything.
#[derive(Debug, Default)]
pub(crate) struct TableFilter {
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
}

impl TableFilter {
    fn takes(&self, database: &str, table: &str) -> bool {
        self.table == table && self.schema.as_deref().is_none_or(|schema| schema == database)
    }
}

/// The primary key of a table.
pub(crate) fn primary_keys(filter: &TableFilter, snapshot: &Snapshot) -> Result<RecordBatch> {
    let mut rows: Vec<(&str, &str, &str, i32)> = Vec::new();
    for (name, database) in &snapshot.databases {
        for table in database.tables.iter().filter(|table| filter.takes(name, &table.table.name)) {
            let columns = table.table.primary_key.iter().zip(1..);
            rows.extend(
                columns.map(|(column, sequence)| (name.as_str(), table.table.name.as_str(), column.as_str(), sequence)),
            );
        }
    }
    type Row<'a> = (&'a str, &'a str, &'a str, i32);
    let column = |value: fn(&Row<'_>) -> String| -> arrow::array::ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(value)))
    };
    let columns: Vec<arrow::array::ArrayRef> = vec![
        column(|_| CATALOG.to_owned()),
        column(|row| row.0.to_owned()),
        column(|row| row.1.to_owned()),
        column(|row| row.2.to_owned()),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.3))),
        Arc::new(StringArray::new_null(rows.len())),
    ];
    RecordBatch::try_new(Arc::clone(&PRIMARY_KEYS), columns).map_err(failed)
}

/// The columns of an answer about foreign keys.
pub(crate) static FOREIGN_KEYS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        text("pk_catalog_name", true),
        text("pk_db_schema_name", true),
        text("pk_table_name", false),
        text("pk_column_name", false),
        text("fk_catalog_name", true),
        text("fk_db_schema_name", true),
        text("fk_table_name", false),
        text("fk_column_name", false),
        Field::new("key_sequence", DataType::Int32, false),
        text("fk_key_name", true),
        text("pk_key_name", true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
});

/// NO ACTION: rows are never updated, nor deleted one by one.
const NO_ACTION: u8 = 3;

/// The foreign keys that refer to `target`, and those that come from `from`; what is left out is any table.
pub(crate) fn foreign_keys(
    target: Option<&TableFilter>,
    from: Option<&TableFilter>,
    snapshot: &Snapshot,
) -> Result<RecordBatch> {
    let mut rows: Vec<[String; 4]> = Vec::new();
    let mut sequence = Vec::new();
    for (name, database) in &snapshot.databases {
        let wanted = |key: &&ForeignKey| {
            target.is_none_or(|filter| filter.takes(name, &key.target_table))
                && from.is_none_or(|filter| filter.takes(name, &key.from_table))
        };
        for key in database.database.foreign_keys.iter().filter(wanted) {
            for ((target, from), number) in key.target_columns.iter().zip(&key.from_columns).zip(1..) {
                rows.push([key.target_table.clone(), target.clone(), key.from_table.clone(), from.clone()]);
                sequence.push((name.clone(), number));
            }
        }
    }
    let column = |index: usize| -> arrow::array::ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row[index].as_str())))
    };
    let catalog =
        || -> arrow::array::ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(|_| CATALOG))) };
    let schema = || -> arrow::array::ArrayRef {
        Arc::new(StringArray::from_iter_values(sequence.iter().map(|(name, _)| name.as_str())))
    };
    let nameless = || -> arrow::array::ArrayRef { Arc::new(StringArray::new_null(rows.len())) };
    let rule = || -> arrow::array::ArrayRef { Arc::new(UInt8Array::from_value(NO_ACTION, rows.len())) };
    let columns = vec![
        catalog(),
        schema(),
        column(0),
        column(1),
        catalog(),
        schema(),
        column(2),
        column(3),
        Arc::new(Int32Array::from_iter_values(sequence.iter().map(|(_, number)| *number))),
        nameless(),
        nameless(),
        rule(),
        rule(),
    ];
    RecordBatch::try_new(Arc::clone(&FOREIGN_KEYS), columns).map_err(failed)
}

/// The types of tables: one.
pub(crate) static TABLE_TYPES: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(Schema::new(vec![text("table_type", false)])));

/// See [`TABLE_TYPES`].
pub(crate) fn table_types() -> Result<RecordBatch> {
    let types: arrow::array::ArrayRef = Arc::new(StringArray::from_iter_values([TABLE_TYPE]));
    RecordBatch::try_new(Arc::clone(&TABLE_TYPES), vec![types]).map_err(failed)
}

/// What the service is and can do.
pub(crate) fn sql_info() -> Result<SqlInfoData> {
    let mut builder = SqlInfoDataBuilder::new();
    builder.append(SqlInfo::FlightSqlServerName, "qserv");
    builder.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    builder.append(SqlInfo::FlightSqlServerArrowVersion, "1.3");
    builder.append(SqlInfo::FlightSqlServerReadOnly, true);
    builder.append(SqlInfo::FlightSqlServerSql, true);
    builder.append(SqlInfo::FlightSqlServerSubstrait, false);
    builder.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    builder.append(SqlInfo::FlightSqlServerCancel, true);
    builder.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    builder.build().map_err(failed_in_flight)
}

/// The types that columns have: name, code, size, whether it is a number of radix 2, whether it is text.
const TYPES: &[(&str, XdbcDataType, i32, bool, bool)] = &[
    ("BIGINT", XdbcDataType::XdbcBigint, 64, true, false),
    ("BOOLEAN", XdbcDataType::XdbcBit, 1, false, false),
    ("CHAR", XdbcDataType::XdbcChar, i32::MAX, false, true),
    ("DOUBLE", XdbcDataType::XdbcDouble, 53, true, false),
    ("INTEGER", XdbcDataType::XdbcInteger, 32, true, false),
    ("REAL", XdbcDataType::XdbcReal, 24, true, false),
    ("SMALLINT", XdbcDataType::XdbcSmallint, 16, true, false),
    ("TIMESTAMP", XdbcDataType::XdbcTimestamp, 26, false, false),
    ("VARBINARY", XdbcDataType::XdbcVarbinary, i32::MAX, false, false),
    ("VARCHAR", XdbcDataType::XdbcVarchar, i32::MAX, false, true),
];

/// The types that columns have.
pub(crate) fn types() -> Result<XdbcTypeInfoData> {
    let mut builder = XdbcTypeInfoDataBuilder::new();
    for (name, code, size, is_number, is_text) in TYPES {
        let quote = is_text.then(|| "'".to_owned());
        builder.append(XdbcTypeInfo {
            type_name: (*name).to_owned(),
            data_type: *code,
            column_size: Some(*size),
            literal_prefix: quote.clone(),
            literal_suffix: quote,
            nullable: Nullable::NullabilityNullable,
            case_sensitive: *is_text,
            searchable: Searchable::Full,
            unsigned_attribute: is_number.then_some(false),
            sql_data_type: *code,
            num_prec_radix: is_number.then_some(2),
            ..XdbcTypeInfo::default()
        });
    }
    builder.build().map_err(failed_in_flight)
}
