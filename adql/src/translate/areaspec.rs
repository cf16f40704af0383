//! Qserv's restrictors: `qserv_areaspec_circle(lon, lat, radius)` in WHERE keeps, of each table in FROM that is spread over the
//! sky, the rows in the circle. They become the tests of sciSQL on the columns with the position, by which chunks are chosen.

use sqlparser::ast::{BinaryOperator, Expr as SqlExpr};
use sqlparser::tokenizer::Span;

use super::scope::Relation;
use super::value::Value;
use super::{Translator, sql};
use crate::ast::Call;
use crate::functions::Function;
use crate::report::Problem;

/// What a restrictor makes of a table.
enum Restricted<'n> {
    /// Rows by their position.
    By(&'n str, &'n str),
    /// Rows by the director that they are joined to.
    Through,
    /// A child table whose rows have no position, and whose director is not in FROM.
    Lost(&'n str),
    /// Not spread over the sky.
    Nowhere,
}

impl<'q, 'n> Translator<'q, 'n, '_, '_> {
    pub(super) fn areaspec(&mut self, function: &'static Function, call: &'q Call, span: Span) -> Value {
        let test = match function.name {
            "QSERV_AREASPEC_BOX" => "scisql_s2ptinbox",
            "QSERV_AREASPEC_CIRCLE" => "scisql_s2ptincircle",
            "QSERV_AREASPEC_ELLIPSE" => "scisql_s2ptinellipse",
            _ => "scisql_s2ptincpoly",
        };
        let numbers: Vec<SqlExpr> = call.arguments.iter().map(|argument| self.numeric(argument).sql).collect();
        let tests = self.positions(call, span).into_iter().map(|position| {
            let arguments = position.into_iter().chain(numbers.iter().cloned());
            sql::binary(sql::call(test, arguments), BinaryOperator::Eq, sql::integer(1))
        });
        let tests: Vec<SqlExpr> = tests.collect();
        // AND joins it to its surroundings, so that it needs no parentheses.
        Value::zero_one(sql::chain(tests, &BinaryOperator::And).unwrap_or_else(sql::null))
    }

    /// Longitude and latitude of each table that is to be restricted.
    fn positions(&mut self, call: &Call, span: Span) -> Vec<[SqlExpr; 2]> {
        let Some(scope) = self.scopes.last() else { return Vec::new() };
        let mut positions = Vec::new();
        let mut lost = Vec::new();
        for relation in &scope.relations {
            match self.restricted(relation, &scope.relations) {
                // Rows that an outer join fills up have no position: they go with the rows that they are joined to.
                Restricted::By(lon, lat) if !relation.nullable => {
                    positions.push([lon, lat].map(|name| sql::column(&relation.qualifier, name, span)));
                }
                Restricted::By(..) | Restricted::Through | Restricted::Nowhere => {}
                Restricted::Lost(director) => lost.push((relation.shown(), director)),
            }
        }
        let incomplete = scope.incomplete;
        if let Some((table, director)) = lost.first() {
            let message = format!("the rows of {table} have no position of their own; join {director}");
            self.report.problem(Problem::new(span, message));
        } else if positions.is_empty() && !incomplete {
            let message = format!("{} needs a table in FROM that is spread over the sky", call.name.text);
            self.report.problem(Problem::new(span, message));
        }
        positions
    }

    fn restricted(&self, relation: &Relation<'n>, all: &[Relation<'n>]) -> Restricted<'n> {
        let Some(table) = &relation.table else { return Restricted::Nowhere };
        let names = self.names;
        let director = names.director(&table.database, &table.table);
        let joined = director.is_some_and(|director| {
            all.iter()
                .filter_map(|other| other.table.as_ref())
                .any(|other| other.database == table.database && other.table == director)
        });
        match (names.position(&table.database, &table.table), director) {
            _ if joined => Restricted::Through,
            (Some((lon, lat)), _) => Restricted::By(lon, lat),
            (None, Some(director)) => Restricted::Lost(director),
            (None, None) => Restricted::Nowhere,
        }
    }
}
