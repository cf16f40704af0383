//! `/tap/tables`: the tables and columns of the snapshot as a VODataService tableset, and `/tap/tables/{name}` for one of them.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use qserv_core::catalog::tap_schema::{
    column_indexes, foreign_keys, is_indexed, query_name, query_table_name, votable_type,
};
use qserv_core::catalog::{Column, Database, DatabaseSnapshot, ForeignKey, Snapshot, Table, TableSnapshot};
use qserv_core::{Error, Result};

use super::{CONTENT_TYPE, VODATASERVICE, XSI};
use crate::Tap;
use crate::compression::respond_whole;
use crate::error::Failure;
use crate::parameters::Parameters;
use crate::xml::XmlWriter;

const VOSI_TABLES: (&str, &str) = ("xmlns:vosi", "http://www.ivoa.net/xml/VOSITables/v1.0");

/// The tableset of the last snapshot that was asked for: it is the same for everyone until something is loaded, and a large
/// schema has tens of thousands of columns.
#[derive(Default)]
pub(crate) struct TablesCache(Mutex<Option<(Arc<Snapshot>, Bytes)>>);

impl TablesCache {
    fn get(&self, snapshot: &Arc<Snapshot>) -> Bytes {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((of, document)) = cached
            && Arc::ptr_eq(&of, snapshot)
        {
            return document;
        }
        let document = Bytes::from(tableset(snapshot, true));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((snapshot.clone(), document.clone()));
        document
    }
}

/// All tables; `detail=min` leaves out their columns and keys, and so does `only_tables=true`, as astroquery's TapPlus writes it.
pub(super) async fn show_all(State(tap): State<Arc<Tap>>, request: Request) -> Result<Response, Failure> {
    let headers = request.headers().clone();
    let parameters = Parameters::read(request).await?;
    let snapshot = tap.service.snapshot().await?;
    let default = parameters.one("ONLY_TABLES")?.is_some_and(|only| only.eq_ignore_ascii_case("true")).then_some("min");
    match parameters.one("DETAIL")?.or(default).map(str::to_ascii_lowercase).as_deref() {
        None | Some("max") => Ok(respond_whole(&headers, CONTENT_TYPE, tap.tables.get(&snapshot))),
        Some("min") => Ok(respond_whole(&headers, CONTENT_TYPE, Bytes::from(tableset(&snapshot, false)))),
        Some(other) => Err(Error::invalid(format!("detail can be min or max, not \"{other}\"")).into()),
    }
}

/// One table by its name as the tableset writes it, letter case aside.
pub(super) async fn show_one(State(tap): State<Arc<Tap>>, Path(name): Path<String>) -> Result<Response, Failure> {
    let snapshot = tap.service.snapshot().await?;
    for DatabaseSnapshot { database, tables } in snapshot.databases.values().map(|database| &**database) {
        let named = |table: &&Arc<TableSnapshot>| {
            query_table_name(&database.name, &table.table.name).eq_ignore_ascii_case(&name)
        };
        if let Some(table) = tables.iter().find(named) {
            let mut out = Vec::new();
            let mut xml = XmlWriter::document(&mut out);
            xml.open("vosi:table", &[VOSI_TABLES, VODATASERVICE, XSI, ("xsi:type", "vs:Table"), ("type", "table")]);
            let keys = foreign_keys(database);
            put_table_content(&mut xml, database, table, Some(&keys_of(&keys, &table.table)));
            xml.finish();
            return Ok(super::xml(out));
        }
    }
    Err(Error::not_found(format!("there is no table \"{name}\"")).into())
}

fn tableset(snapshot: &Snapshot, with_columns: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut xml = XmlWriter::document(&mut out);
    xml.open("vosi:tableset", &[VOSI_TABLES, VODATASERVICE, XSI]);
    for DatabaseSnapshot { database, tables } in snapshot.databases.values().map(|database| &**database) {
        xml.open("schema", &[])
            .leaf("name", &[], &query_name(&database.name))
            .optional("description", database.description.as_deref());
        let keys = if with_columns { foreign_keys(database) } else { Vec::new() };
        for table in tables {
            xml.open("table", &[("type", "table")]);
            let keys = with_columns.then(|| keys_of(&keys, &table.table));
            put_table_content(&mut xml, database, table, keys.as_deref());
            xml.close();
        }
        xml.close();
    }
    xml.finish();
    out
}

fn keys_of<'k>(keys: &'k [ForeignKey], table: &Table) -> Vec<&'k ForeignKey> {
    keys.iter().filter(|key| key.from_table == table.name).collect()
}

/// What is told of a table; with its foreign keys its columns are told too.
fn put_table_content(
    xml: &mut XmlWriter<'_>,
    database: &Database,
    table: &TableSnapshot,
    keys: Option<&[&ForeignKey]>,
) {
    // What is nowhere stored (TAP_SCHEMA) has a number of rows too, but nobody counted them.
    let rows = (!table.segments.is_empty()).then(|| table.rows().to_string());
    let table = &*table.table;
    xml.leaf("name", &[], &query_table_name(&database.name, &table.name))
        .optional("description", table.description.as_deref())
        .optional("utype", table.utype.as_deref())
        .optional("nrows", rows.as_deref());
    let Some(keys) = keys else { return };
    let mut columns: Vec<_> = table.columns.iter().zip(column_indexes(table)).collect();
    columns.sort_by_key(|(_, index)| *index);
    for (column, _) in columns {
        put_column(xml, table, column);
    }
    for key in keys {
        xml.open("foreignKey", &[]).leaf("targetTable", &[], &query_table_name(&database.name, &key.target_table));
        for (from, target) in key.from_columns.iter().zip(&key.target_columns) {
            xml.open("fkColumn", &[])
                .leaf("fromColumn", &[], &query_name(from))
                .leaf("targetColumn", &[], &query_name(target))
                .close();
        }
        xml.optional("description", key.description.as_deref()).close();
    }
}

fn put_column(xml: &mut XmlWriter<'_>, table: &Table, column: &Column) {
    if column.std {
        xml.open("column", &[("std", "true")]);
    } else {
        xml.open("column", &[]);
    }
    xml.leaf("name", &[], &query_name(&column.name))
        .optional("description", column.description.as_deref())
        .optional("unit", column.unit.as_deref())
        .optional("ucd", column.ucd.as_deref())
        .optional("utype", column.utype.as_deref());
    let kind = votable_type(column);
    let mut attributes = vec![("xsi:type", "vs:VOTableType")];
    attributes.extend(kind.arraysize.as_deref().map(|arraysize| ("arraysize", arraysize)));
    attributes.extend(kind.xtype.map(|xtype| ("extendedType", xtype)));
    xml.leaf("dataType", &attributes, kind.datatype);
    let flags = [
        (is_indexed(table, &column.name), "indexed"),
        (table.primary_key.contains(&column.name), "primary"),
        (column.nullable, "nullable"),
    ];
    for (_, flag) in flags.into_iter().filter(|(is_set, _)| *is_set) {
        xml.leaf("flag", &[], flag);
    }
    xml.close();
}
