//! Looks tables up: in WITH, in the default database, in the named one.

use std::rc::Rc;

use super::scope::{Described, RelationColumn};
use super::{TableName, Translator};
use crate::ast::{Name, Path};
use crate::nearest;
use crate::options::Level;
use crate::report::Problem;

/// What a name means among the names that exist.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<T> {
    One(T),
    /// A quoted name that exists in another letter case only.
    OtherCase(T),
    Several(Vec<T>),
    None,
}

/// Finds `name` among `candidates`.
pub(super) fn find<T: Copy>(
    name: &Name,
    candidates: impl Iterator<Item = T> + Clone,
    text: impl Fn(T) -> String,
) -> Found<T> {
    let matching: Vec<T> = candidates.clone().filter(|candidate| name.matches(&text(*candidate))).collect();
    match matching.as_slice() {
        [only] => return Found::One(*only),
        [] if name.quoted => {
            let folded: Vec<T> =
                candidates.filter(|candidate| text(*candidate).eq_ignore_ascii_case(&name.text)).collect();
            if let [only] = folded.as_slice() {
                return Found::OtherCase(*only);
            }
        }
        [] => {}
        _ => return Found::Several(matching),
    }
    Found::None
}

impl<'n> Translator<'_, 'n, '_, '_> {
    /// The table of the catalog that a path means, or `None` after a fault.
    pub(super) fn table(&mut self, path: &Path) -> Option<TableName> {
        match path.as_slice() {
            [table] if self.whole_in_quotes(table).is_some() => self.whole_in_quotes(table),
            [table] => match &self.options.default_database {
                Some(database) => {
                    let names = self.names;
                    let known = names.databases().into_iter().find(|name| name.eq_ignore_ascii_case(database));
                    let Some(known) = known else {
                        self.report.fault(table.span, format!("the default database `{database}` does not exist"));
                        return None;
                    };
                    let here = names.tables(known).iter().any(|name| name.eq_ignore_ascii_case(&table.text));
                    if here { self.table_of(known, table) } else { self.table_anywhere(table) }
                }
                None => self.table_anywhere(table),
            },
            [database, table] => {
                let database = self.database(database)?;
                self.table_of(database, table)
            }
            [first, ..] => {
                let last = path.last().unwrap_or(first);
                self.report
                    .fault(first.span.union(&last.span), "a table is named by its database and its name, no more");
                None
            }
            [] => None,
        }
    }

    /// `"database.table"` in one pair of quotes: the table, if there is one and no other of that name.
    fn whole_in_quotes(&mut self, name: &Name) -> Option<TableName> {
        let (database, table) = name.text.split_once('.').filter(|_| name.quoted)?;
        let names = self.names;
        let databases = names.databases();
        if databases.iter().any(|database| names.tables(database).contains(&name.text.as_str())) {
            return None;
        }
        let database = databases.into_iter().find(|declared| declared.eq_ignore_ascii_case(database))?;
        let table = names.tables(database).into_iter().find(|declared| declared.eq_ignore_ascii_case(table))?;
        let message = format!("the point between database and table stands outside of quotes: {database}.{table}");
        self.report.lenient(name.span, message);
        Some(TableName { database: database.to_owned(), table: table.to_owned() })
    }

    fn database(&mut self, name: &Name) -> Option<&'n str> {
        let names = self.names;
        let all = names.databases();
        match find(name, all.iter().copied(), str::to_owned) {
            Found::One(database) => Some(database),
            Found::OtherCase(database) => self.other_case(name, database).then_some(database),
            Found::Several(several) => {
                self.ambiguous(name, "database", &several);
                None
            }
            Found::None => {
                let problem = if name.text.eq_ignore_ascii_case("TAP_UPLOAD") {
                    Problem::new(name.span, "no table was uploaded with this query")
                } else {
                    Problem::new(name.span, format!("there is no database `{}`", name.text))
                };
                self.report.problem(problem.suggesting(nearest::names(&name.text, all)));
                None
            }
        }
    }

    fn table_of(&mut self, database: &'n str, name: &Name) -> Option<TableName> {
        let names = self.names;
        let all = names.tables(database);
        let table = match find(name, all.iter().copied(), str::to_owned) {
            Found::One(table) => table,
            Found::OtherCase(table) if self.other_case(name, table) => table,
            Found::OtherCase(_) => return None,
            Found::Several(several) => {
                self.ambiguous(name, "table", &several);
                return None;
            }
            Found::None => {
                let problem = Problem::new(name.span, format!("there is no table `{}` in {database}", name.text));
                let near = nearest::names(&name.text, all);
                self.report.problem(problem.suggesting(near));
                return None;
            }
        };
        Some(TableName { database: database.to_owned(), table: table.to_owned() })
    }

    /// A table without a database must be unique over all of them.
    fn table_anywhere(&mut self, name: &Name) -> Option<TableName> {
        let names = self.names;
        let all: Vec<(&str, &str)> = names
            .databases()
            .into_iter()
            .flat_map(|database| names.tables(database).into_iter().map(move |table| (database, table)))
            .collect();
        let (database, table) = match find(name, all.iter().copied(), |(_, table)| table.to_owned()) {
            Found::One(found) => found,
            Found::OtherCase(found) if self.other_case(name, found.1) => found,
            Found::OtherCase(_) => return None,
            Found::Several(several) => {
                let several: Vec<String> =
                    several.iter().map(|(database, table)| format!("{database}.{table}")).collect();
                let several: Vec<&str> = several.iter().map(String::as_str).collect();
                self.ambiguous(name, "table", &several);
                return None;
            }
            Found::None => {
                let problem = Problem::new(name.span, format!("there is no table `{}`", name.text));
                let near = nearest::names(&name.text, all.iter().map(|(_, table)| *table));
                let near = near.iter().flat_map(|near| {
                    all.iter()
                        .filter(move |(_, table)| table == near)
                        .map(|(database, table)| format!("{database}.{table}"))
                });
                let near = near.take(3).collect();
                self.report.problem(problem.suggesting(near));
                return None;
            }
        };
        Some(TableName { database: database.to_owned(), table: table.to_owned() })
    }

    /// A quoted name that is declared in another letter case: the standard refuses it, the service takes it.
    pub(super) fn other_case(&mut self, name: &Name, declared: &str) -> bool {
        let quoted = |name: &str| name.replace('"', "\"\"");
        let message = format!("the quoted name \"{}\" is declared as \"{}\"", quoted(&name.text), quoted(declared));
        self.report.lenient(name.span, message);
        self.report.level() == Level::Service
    }

    pub(super) fn ambiguous(&mut self, name: &Name, what: &str, several: &[&str]) {
        let problem = Problem::new(name.span, format!("`{}` can mean more than one {what}", name.text));
        self.report.problem(problem.expecting(several.iter().map(|name| format!("`{name}`"))));
    }

    pub(super) fn columns(&self, table: &TableName) -> Rc<[RelationColumn<'n>]> {
        // The catalog's own spelling is borrowed as long as the names live.
        let names = self.names;
        names
            .databases()
            .into_iter()
            .find(|database| *database == table.database)
            .and_then(|database| {
                let name = names.tables(database).into_iter().find(|name| *name == table.table)?;
                Some(names.columns(database, name))
            })
            .unwrap_or_default()
            .into_iter()
            .map(|column| RelationColumn {
                name: column.name.into(),
                emitted: column.name.into(),
                class: column.class,
                described: Described::Declared(column.metadata),
                unique: column.unique,
            })
            .collect()
    }
}
