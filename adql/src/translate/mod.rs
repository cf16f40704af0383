//! From the syntax tree to the SQL tree of the engine: names are resolved, types are matched, ADQL's own forms are put
//! in the engine's words.

mod areaspec;
mod call;
mod cast;
mod columns;
mod expression;
mod from;
mod geometry;
mod grouping;
mod in_unit;
mod meaning;
mod query;
mod scope;
mod select;
mod sql;
mod tables;
mod truth;
mod value;

use std::collections::HashMap;

use serde::Serialize;
use sqlparser::ast::Statement;
use sqlparser::tokenizer::Span;

use crate::ast::Query;
use crate::names::{Metadata, Names, TypeClass};
use crate::options::Options;
use crate::report::Report;
use scope::{CommonRelation, Scope};

/// A query in the engine's words.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Translated {
    /// The query as sqlparser's syntax tree. Names of tables and columns are quoted and exact, names of functions are
    /// unquoted and in lower case.
    pub statement: Statement,
    /// The columns of the answer, in order.
    pub columns: Vec<OutputColumn>,
    /// The bound on the rows of the whole answer (TOP or LIMIT), which the statement carries too.
    pub top: Option<u64>,
    /// The tables that the query reads, each once.
    pub tables: Vec<TableName>,
    /// What was taken though the standard refuses it, one sentence each.
    pub warnings: Vec<String>,
}

/// A column of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputColumn {
    /// What the user is to see. Two columns may have the same name.
    pub name: String,
    /// What the statement calls it: [`OutputColumn::name`], unless another column has that name already.
    pub emitted: String,
    /// The class of its type, as far as it is known.
    pub class: TypeClass,
    /// Unit, UCD and the rest, as far as they are true of it.
    pub metadata: Metadata,
}

/// A table of a database, both in the catalog's letter case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct TableName {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
}

pub(crate) fn translate(query: &Query, names: &dyn Names, options: &Options, report: &mut Report<'_>) -> Translated {
    let mut translator = Translator {
        names,
        options,
        report,
        scopes: Vec::new(),
        common: Vec::new(),
        common_names: Vec::new(),
        tables: Vec::new(),
        scalars: HashMap::new(),
        beside_text: false,
        nodes: 0,
    };
    let (statement, columns) = translator.query(query);
    let tables = translator.tables;
    Translated {
        statement: Statement::Query(Box::new(statement)),
        columns,
        top: query::row_bound(query),
        tables,
        warnings: Vec::new(),
    }
}

/// Comparisons of names that take about as long as the visit of one node.
const COMPARISONS_A_NODE: usize = 32;

/// The state of one translation. `'q` is the life of the query's tree, `'n` that of the names.
struct Translator<'q, 'n, 'r, 't> {
    names: &'n dyn Names,
    options: &'n Options,
    report: &'r mut Report<'t>,
    /// The SELECTs around the present place, outermost first.
    scopes: Vec<Scope<'q, 'n>>,
    /// The queries of WITH that can be named here, later ones first in effect.
    common: Vec<CommonRelation<'q, 'n>>,
    /// All names that WITH queries were given in the statement.
    common_names: Vec<String>,
    tables: Vec<TableName>,
    /// What is known of the values of scalar sub-queries, by their place in the tree.
    scalars: HashMap<usize, Metadata>,
    /// What is translated now is compared with a text: a quoted name that is no column may be one.
    beside_text: bool,
    /// Nodes visited so far.
    nodes: usize,
}

impl Translator<'_, '_, '_, '_> {
    /// Counts one visited node; false once there were too many.
    fn may_visit(&mut self, span: Span) -> bool {
        self.charge(1, span)
    }

    /// Counts work that is not a visit: so many comparisons, cheap ones, as of names with a list.
    fn charge_comparisons(&mut self, comparisons: usize, span: Span) -> bool {
        self.charge(comparisons / COMPARISONS_A_NODE + 1, span)
    }

    fn charge(&mut self, nodes: usize, span: Span) -> bool {
        let before = self.nodes;
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= self.options.max_nodes {
            return true;
        }
        // One fault is enough, and the nodes that are left are not looked at.
        if before <= self.options.max_nodes {
            let message = format!(
                "the query is longer than {} expressions when its aliases are filled in",
                self.options.max_nodes
            );
            self.report.fault(span, format!("{message} (max_nodes)"));
        }
        false
    }
}
