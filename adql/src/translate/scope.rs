//! The tables and columns that can be named at one place of a query.

use std::borrow::Cow;
use std::rc::Rc;

use sqlparser::ast::{Expr as SqlExpr, Ident};
use sqlparser::tokenizer::Span;

use super::grouping::Grouping;
use super::{TableName, sql};
use crate::ast::{Expr, Name};
use crate::names::{Metadata, TypeClass};

/// A column of a table in FROM.
#[derive(Debug, Clone)]
pub(super) struct RelationColumn<'n> {
    /// By which queries know it.
    pub(super) name: Cow<'n, str>,
    /// By which the statement knows it; another only where names repeat.
    pub(super) emitted: Cow<'n, str>,
    pub(super) class: TypeClass,
    pub(super) described: Described<'n>,
    /// The key of its table.
    pub(super) unique: bool,
}

/// Where the metadata of a column are.
#[derive(Debug, Clone)]
pub(super) enum Described<'n> {
    Declared(Option<&'n Metadata>),
    Computed(Rc<Metadata>),
}

impl Described<'_> {
    pub(super) fn metadata(&self) -> Metadata {
        match self {
            Self::Declared(metadata) => metadata.cloned().unwrap_or_default(),
            Self::Computed(metadata) => Metadata::clone(metadata),
        }
    }
}

/// A query of WITH.
#[derive(Debug, Clone)]
pub(super) struct CommonRelation<'q, 'n> {
    pub(super) name: &'q Name,
    /// Its name in the statement.
    pub(super) emitted: String,
    pub(super) columns: Rc<[RelationColumn<'n>]>,
}

/// A table, a derived table or a query of WITH in FROM.
#[derive(Debug, Clone)]
pub(super) struct Relation<'n> {
    /// The names by which columns can call it, outermost first: its alias alone, or database and table.
    pub(super) path: Vec<String>,
    /// The names in front of its columns in the statement.
    pub(super) qualifier: Vec<Ident>,
    pub(super) columns: Rc<[RelationColumn<'n>]>,
    /// The table of the catalog, if it is one.
    pub(super) table: Option<TableName>,
    /// An outer join may fill its rows up with NULL.
    pub(super) nullable: bool,
}

impl Relation<'_> {
    /// Whether `names` call this table: its alias, its name, or its name with the database.
    pub(super) fn is_called(&self, names: &[Name]) -> bool {
        names.len() <= self.path.len()
            && !names.is_empty()
            && names.iter().rev().zip(self.path.iter().rev()).all(|(name, part)| name.matches(part))
    }

    /// As faults call it.
    pub(super) fn shown(&self) -> String {
        self.path.join(".")
    }
}

/// A column that an unqualified name or `*` can mean.
#[derive(Debug, Clone)]
pub(super) struct Visible {
    pub(super) relation: usize,
    pub(super) column: usize,
    /// For a column that USING or NATURAL made of two: its value.
    pub(super) merged: Option<Box<SqlExpr>>,
    /// For such a column with values of both sides: the other side's table and column.
    pub(super) other: Option<(usize, usize)>,
}

/// What a column name in the present clause may also mean: an alias of the select list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AliasUse {
    No,
    Yes,
    /// The standard knows no alias here; the service takes it with a warning.
    Liberty,
}

/// One SELECT.
#[derive(Debug)]
pub(super) struct Scope<'q, 'n> {
    pub(super) relations: Vec<Relation<'n>>,
    /// Tables before this one cannot be named now: inside ON only the join's own can.
    pub(super) first: usize,
    pub(super) visible: Vec<Visible>,
    /// USING or NATURAL changed the columns that `*` means.
    pub(super) merges: bool,
    pub(super) aliases: Vec<(&'q Name, &'q Expr)>,
    /// How many of the aliases can be named now: an alias knows those before it.
    pub(super) known_aliases: usize,
    pub(super) alias_use: AliasUse,
    /// The clause, as faults call it.
    pub(super) clause: &'static str,
    pub(super) grouping: Option<Grouping>,
    /// A table of FROM could not be found: then a column that is missing is no news.
    pub(super) incomplete: bool,
}

impl<'q, 'n> Scope<'q, 'n> {
    pub(super) fn new() -> Self {
        Self {
            relations: Vec::new(),
            first: 0,
            visible: Vec::new(),
            merges: false,
            aliases: Vec::new(),
            known_aliases: 0,
            alias_use: AliasUse::No,
            clause: "FROM",
            grouping: None,
            incomplete: false,
        }
    }

    /// The tables that can be named now.
    pub(super) fn reachable(&self) -> impl Iterator<Item = (usize, &Relation<'n>)> {
        self.relations.iter().enumerate().skip(self.first)
    }

    pub(super) fn column_of(&self, visible: &Visible) -> Option<(&Relation<'n>, &RelationColumn<'n>)> {
        let relation = self.relations.get(visible.relation)?;
        Some((relation, relation.columns.get(visible.column)?))
    }

    /// The value of a column in the statement.
    pub(super) fn sql_of(&self, visible: &Visible, span: Span) -> SqlExpr {
        match (&visible.merged, self.column_of(visible)) {
            (Some(merged), _) => SqlExpr::clone(merged),
            (None, Some((relation, column))) => sql::column(&relation.qualifier, &column.emitted, span),
            (None, None) => sql::null(),
        }
    }

    pub(super) fn class_of(&self, visible: &Visible) -> TypeClass {
        self.column_of(visible).map_or(TypeClass::Other, |(_, column)| column.class)
    }

    /// What is known of a column; of one that was made of two, what both say.
    pub(super) fn metadata_of(&self, visible: &Visible) -> Metadata {
        let Some((_, column)) = self.column_of(visible) else { return Metadata::default() };
        let mut metadata = column.described.metadata();
        if let Some((relation, column)) = visible.other
            && let Some((_, other)) = self.column_of(&Visible { relation, column, merged: None, other: None })
        {
            metadata.keep_common(&other.described.metadata());
        }
        metadata
    }

    /// All columns of a table, for `*`.
    pub(super) fn columns_of(&self, relation: usize) -> Vec<Visible> {
        let count = self.relations.get(relation).map_or(0, |relation| relation.columns.len());
        (0..count).map(|column| Visible { relation, column, merged: None, other: None }).collect()
    }
}
