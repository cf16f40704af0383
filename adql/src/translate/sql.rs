//! Small builders for sqlparser's tree.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, GroupByExpr, Ident, LimitClause, ObjectName, ObjectNamePart, Offset, OffsetRows, OrderBy,
    OrderByExpr, OrderByKind, Query, Select, SelectFlavor, SetExpr, TableAlias, TableFactor, UnaryOperator, Value,
    With,
};
use sqlparser::tokenizer::Span;

/// A name in double quotes, so that the engine takes it as it is.
pub(super) fn name(text: &str, span: Span) -> Ident {
    Ident { value: text.to_owned(), quote_style: Some('"'), span }
}

pub(super) fn object_name(parts: &[Ident]) -> ObjectName {
    ObjectName(parts.iter().cloned().map(ObjectNamePart::Identifier).collect())
}

/// A column with the names in front of it.
pub(super) fn column(qualifier: &[Ident], text: &str, span: Span) -> Expr {
    let last = name(text, span);
    if qualifier.is_empty() {
        return Expr::Identifier(last);
    }
    Expr::CompoundIdentifier(qualifier.iter().cloned().chain([last]).collect())
}

pub(super) fn null() -> Expr {
    literal(Value::Null)
}

/// A number as ADQL writes it. `5.` and `.5` get the digit that other readers want.
pub(super) fn number(text: &str) -> Expr {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(position) => text.split_at(position),
        None => (text, ""),
    };
    let before = if mantissa.starts_with('.') { "0" } else { "" };
    let after = if mantissa.ends_with('.') { "0" } else { "" };
    literal(Value::Number(format!("{before}{mantissa}{after}{exponent}"), false))
}

pub(super) fn integer(value: impl ToString) -> Expr {
    literal(Value::Number(value.to_string(), false))
}

pub(super) fn text(text: &str) -> Expr {
    literal(Value::SingleQuotedString(text.to_owned()))
}

pub(super) fn boolean(value: bool) -> Expr {
    literal(Value::Boolean(value))
}

/// The value with this number, from 0 on, that is given when the query runs.
pub(super) fn parameter(number: usize) -> Expr {
    literal(Value::Placeholder(format!("${}", number + 1)))
}

fn literal(value: Value) -> Expr {
    Expr::Value(value.with_span(Span::empty()))
}

pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

pub(super) fn not(expr: Expr) -> Expr {
    unary(UnaryOperator::Not, expr)
}

pub(super) fn unary(op: UnaryOperator, expr: Expr) -> Expr {
    Expr::UnaryOp { op, expr: Box::new(operand(expr)) }
}

pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// All terms joined by one operator, as a balanced tree: ten thousand terms are fourteen levels deep.
pub(super) fn chain(mut terms: Vec<Expr>, op: &BinaryOperator) -> Option<Expr> {
    if terms.len() <= 1 {
        return terms.pop();
    }
    let right = terms.split_off(terms.len().div_ceil(2));
    Some(binary(chain(terms, op)?, op.clone(), chain(right, op)?))
}

/// The expression as it can stand beside any operator.
pub(super) fn operand(expr: Expr) -> Expr {
    let closed = matches!(
        expr,
        Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::Value(_)
            | Expr::Function(_)
            | Expr::Cast { .. }
            | Expr::Nested(_)
            | Expr::Subquery(_)
            | Expr::Case { .. }
            | Expr::Exists { .. }
    );
    if closed { expr } else { Expr::Nested(Box::new(expr)) }
}

/// The expression without the parentheses around it.
pub(super) fn bare(expr: &Expr) -> &Expr {
    let mut expr = expr;
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

pub(super) fn call(function: &str, arguments: impl IntoIterator<Item = Expr>) -> Expr {
    let arguments =
        arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))).collect();
    Expr::Function(function_of(function, arguments))
}

/// A call without any of the extras.
pub(super) fn function_of(function: &str, args: Vec<FunctionArg>) -> Function {
    Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(function))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    }
}

/// A query that is nothing but its body.
pub(super) fn query(body: SetExpr) -> Query {
    Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: vec![],
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: vec![],
    }
}

pub(super) fn order_by(items: Vec<OrderByExpr>) -> Option<OrderBy> {
    (!items.is_empty()).then_some(OrderBy { kind: OrderByKind::Expressions(items), interpolate: None })
}

pub(super) fn bounds(limit: Option<u64>, offset: Option<u64>) -> Option<LimitClause> {
    if limit.is_none() && offset.is_none() {
        return None;
    }
    Some(LimitClause::LimitOffset {
        limit: limit.map(integer),
        offset: offset.map(|rows| Offset { value: integer(rows), rows: OffsetRows::None }),
        limit_by: vec![],
    })
}

pub(super) fn with(cte_tables: Vec<sqlparser::ast::Cte>) -> Option<With> {
    (!cte_tables.is_empty()).then(|| With { with_token: AttachedToken::empty(), recursive: false, cte_tables })
}

/// A SELECT without anything in it.
pub(super) fn select() -> Select {
    Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: vec![],
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: vec![],
        exclude: None,
        into: None,
        from: vec![],
        lateral_views: vec![],
        prewhere: None,
        selection: None,
        connect_by: vec![],
        group_by: GroupByExpr::Expressions(vec![], vec![]),
        cluster_by: vec![],
        distribute_by: vec![],
        sort_by: vec![],
        having: None,
        named_window: vec![],
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }
}

pub(super) fn table(name: ObjectName, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::Table {
        name,
        alias,
        args: None,
        with_hints: vec![],
        version: None,
        with_ordinality: false,
        partitions: vec![],
        json_path: None,
        sample: None,
        index_hints: vec![],
    }
}

pub(super) fn alias(name: Ident) -> TableAlias {
    TableAlias { explicit: true, name, columns: vec![], at: None }
}
