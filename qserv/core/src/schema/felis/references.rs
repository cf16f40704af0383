//! References to columns: `#Table.column`, an `@id`, `Table.column`, or a bare name in the same table.

use std::collections::HashMap;

use super::FelisTable;
use super::entries::Reader;
use crate::catalog::{Column, ForeignKey};
use crate::schema::yaml::Node;

pub(super) const INDEX_KEYS: &[&str] = &["name", "@id", "description", "columns", "expressions"];
pub(super) const COLUMN_GROUP_KEYS: &[&str] = &["name", "@id", "description", "columns", "ivoa:ucd", "votable:utype"];
const FOREIGN_KEY_KEYS: &[&str] = &[
    "name",
    "@id",
    "@type",
    "description",
    "columns",
    "referencedColumns",
    "deferrable",
    "initially",
    "on_delete",
    "on_update",
    "votable:utype",
];
const UNIQUE_KEYS: &[&str] =
    &["name", "@id", "@type", "description", "columns", "deferrable", "initially", "votable:utype"];
const CHECK_KEYS: &[&str] =
    &["name", "@id", "@type", "description", "expression", "deferrable", "initially", "votable:utype"];

/// A foreign key as it is written; its references are resolved when all tables are known.
#[derive(Debug, Default)]
pub(super) struct ForeignKeyText {
    pub(super) from_table: String,
    columns: Vec<(String, usize)>,
    referenced: Vec<(String, usize)>,
    description: Option<String>,
    line: usize,
}

/// The `@id`s of columns, and the references to resolve with them.
#[derive(Debug, Default)]
pub(super) struct References {
    ids: HashMap<String, (String, String)>,
    pub(super) foreign_keys: Vec<ForeignKeyText>,
}

impl References {
    /// Keeps what an `@id` names.
    pub(super) fn know_column(&mut self, id: String, table: &str, column: &str) {
        self.ids.entry(id).or_insert_with(|| (table.to_owned(), column.to_owned()));
    }

    /// The table and column names that a reference in `table` means; whether they exist is not checked.
    fn names(&self, reference: &str, table: &str) -> (String, String) {
        if let Some((table, column)) = self.ids.get(reference) {
            return (table.clone(), column.clone());
        }
        let bare = reference.trim_start_matches('#');
        match bare.split_once('.') {
            Some((table, column)) => (table.to_owned(), column.to_owned()),
            None => (table.to_owned(), bare.to_owned()),
        }
    }

    /// The foreign keys, each reference checked.
    pub(super) fn resolve(&self, reader: &mut Reader, tables: &[FelisTable]) -> Vec<ForeignKey> {
        let mut resolved = Vec::with_capacity(self.foreign_keys.len());
        for key in &self.foreign_keys {
            let from = self.side(reader, tables, &key.columns, &key.from_table);
            let target = self.side(reader, tables, &key.referenced, &key.from_table);
            let (Some((from_table, from_columns)), Some((target_table, target_columns))) = (from, target) else {
                continue;
            };
            if from_columns.len() != target_columns.len() {
                let message = format!(
                    "a foreign key of table \"{from_table}\" has {} columns and refers to {}; name as many on both sides",
                    from_columns.len(),
                    target_columns.len()
                );
                reader.fault(key.line, message);
                continue;
            }
            let description = key.description.clone();
            resolved.push(ForeignKey { from_table, from_columns, target_table, target_columns, description });
        }
        resolved
    }

    /// The one table and the columns that one side of a foreign key names.
    fn side(
        &self,
        reader: &mut Reader,
        tables: &[FelisTable],
        texts: &[(String, usize)],
        from_table: &str,
    ) -> Option<(String, Vec<String>)> {
        let mut side: Option<(String, Vec<String>)> = None;
        for (text, line) in texts {
            let (table_name, column_name) = self.names(text, from_table);
            let Some(table) = tables.iter().find(|table| table.table.name == table_name) else {
                let known: Vec<&str> = tables.iter().map(|table| table.table.name.as_str()).collect();
                let message = format!("\"{text}\" refers to table \"{table_name}\", which the schema does not have");
                reader.unknown(*line, message, &table_name, &known, "remove the constraint or declare the table");
                return None;
            };
            let known: Vec<&str> = table.table.columns.iter().map(|column| column.name.as_str()).collect();
            if !known.contains(&column_name.as_str()) {
                let message = format!("\"{text}\": table \"{table_name}\" has no column \"{column_name}\"");
                reader.unknown(*line, message, &column_name, &known, "write the name of a column");
                return None;
            }
            match &mut side {
                None => side = Some((table_name, vec![column_name])),
                Some((table, columns)) if *table == table_name => columns.push(column_name),
                Some((table, _)) => {
                    let message = format!(
                        "\"{text}\": the columns before it are of table \"{table}\"; name columns of one table"
                    );
                    reader.fault(*line, message);
                    return None;
                }
            }
        }
        side
    }
}

/// The columns of `table` that the references name, in its own spelling.
pub(super) fn columns_of(
    reader: &mut Reader,
    texts: &[(String, usize)],
    table: &str,
    columns: &[Column],
    references: &References,
    what: &str,
) -> Vec<String> {
    let mut names = Vec::with_capacity(texts.len());
    for (text, line) in texts {
        let (of_table, name) = references.names(text, table);
        if of_table == table && columns.iter().any(|column| column.name == name) {
            names.push(name);
            continue;
        }
        let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let message = format!("{what} of table \"{table}\": it has no column \"{text}\"");
        reader.unknown(*line, message, &name, &known, "write the name of one of its columns");
    }
    names
}

/// One constraint: its references if it is a foreign key.
pub(super) fn read_constraint(reader: &mut Reader, node: &Node, table: &str) -> Option<ForeignKeyText> {
    let any = reader.any_entries(node, "a constraint")?;
    let known = match any.iter().find(|(key, _)| key.name == "@type").map(|(_, value)| &value.value) {
        Some(crate::schema::yaml::Value::Scalar { text, .. }) => match text.as_str() {
            "ForeignKey" => FOREIGN_KEY_KEYS,
            "Unique" => UNIQUE_KEYS,
            "Check" => CHECK_KEYS,
            other => {
                let message = format!("a constraint of {table} has the unknown type \"{other}\"");
                let types = ["ForeignKey", "Unique", "Check"];
                reader.unknown(node.line, message, other, &types, "write ForeignKey, Unique or Check");
                return None;
            }
        },
        _ => {
            let message = format!("a constraint of {table} has no `@type`; write `@type: ForeignKey`, Unique or Check");
            reader.fault(node.line, message);
            return None;
        }
    };
    let entries = reader.entries(node, "a constraint", known)?;
    reader.required_name(&entries, node.line);
    reader.boolean(&entries, "deferrable");
    let description = reader.text(&entries, "description");
    let mut sides = ["columns", "referencedColumns"].map(|_| Vec::new());
    for (side, key) in sides.iter_mut().zip(["columns", "referencedColumns"]) {
        if !known.contains(&key) {
            continue;
        }
        match entries.get(key) {
            Some(node) => *side = reader.texts(node, key),
            None => {
                reader.fault(node.line, format!("a constraint of {table} has no `{key}`; write `{key}:` and a list"))
            }
        }
    }
    let [columns, referenced] = sides;
    (known == FOREIGN_KEY_KEYS).then(|| ForeignKeyText {
        from_table: String::new(),
        columns,
        referenced,
        description,
        line: node.line,
    })
}
