//! The tree without places: two texts that say the same differ in nothing else.

use sqlparser::tokenizer::Span;

use super::{
    Body, Call, CommonTable, Count, Expr, ExprKind, Frame, Item, Join, JoinCondition, Joined, Name, OrderItem, Query,
    Relation, Select, SetLink, Window,
};

/// Every match names every field: a new one is either a place, or has places in it, or is listed as having none.
impl Query {
    /// Forgets where everything stood, and the measures that the parser took on the way.
    pub(crate) fn forget_places(&mut self) {
        let Self { with, body, order_by, limit, offset, span, height, size } = self;
        for CommonTable { name, columns, query } in with {
            of_name(name);
            columns.iter_mut().for_each(of_name);
            query.forget_places();
        }
        of_body(body);
        order_by.iter_mut().for_each(of_order_item);
        limit.iter_mut().for_each(of_count);
        offset.iter_mut().for_each(of_count);
        *span = Span::empty();
        (*height, *size) = (0, 0);
    }
}

fn of_name(name: &mut Name) {
    let Name { text: _, quoted: _, span } = name;
    *span = Span::empty();
}

fn of_count(count: &mut Count) {
    let Count { rows: _, span } = count;
    *span = Span::empty();
}

fn of_body(body: &mut Body) {
    match body {
        Body::Select(select) => of_select(select),
        Body::Query(query) => query.forget_places(),
        Body::Operations { first, links } => {
            of_body(first);
            for SetLink { operator: _, all: _, span, right } in links {
                *span = Span::empty();
                of_body(right);
            }
        }
    }
}

fn of_select(select: &mut Select) {
    let Select { distinct: _, top, items, from, filter, group_by, having, span } = select;
    top.iter_mut().for_each(of_count);
    for item in items {
        match item {
            Item::Star(span) => *span = Span::empty(),
            Item::TableStar(path, span) => {
                path.iter_mut().for_each(of_name);
                *span = Span::empty();
            }
            Item::Expr { expr, alias } => {
                of_expr(expr);
                alias.iter_mut().for_each(of_name);
            }
        }
    }
    from.iter_mut().for_each(of_joined);
    filter.iter_mut().for_each(of_expr);
    group_by.iter_mut().for_each(of_expr);
    having.iter_mut().for_each(of_expr);
    *span = Span::empty();
}

fn of_joined(joined: &mut Joined) {
    let Joined { first, joins } = joined;
    of_relation(first);
    for Join { kind: _, relation, condition, span } in joins {
        of_relation(relation);
        match condition {
            JoinCondition::On(condition) => of_expr(condition),
            JoinCondition::Using(names) => names.iter_mut().for_each(of_name),
            JoinCondition::None | JoinCondition::Natural => {}
        }
        *span = Span::empty();
    }
}

fn of_relation(relation: &mut Relation) {
    match relation {
        Relation::Table { path, alias } => path.iter_mut().chain(alias).for_each(of_name),
        Relation::Derived { query, alias } => {
            query.forget_places();
            alias.iter_mut().for_each(of_name);
        }
        Relation::Nested(joined) => of_joined(joined),
        Relation::Sampled { table, percent: _, span } => {
            of_relation(table);
            *span = Span::empty();
        }
    }
}

fn of_order_item(item: &mut OrderItem) {
    let OrderItem { expr, descending: _, nulls_first: _ } = item;
    of_expr(expr);
}

fn of_expr(expr: &mut Expr) {
    let Expr { kind, span, height, size } = expr;
    *span = Span::empty();
    (*height, *size) = (0, 0);
    match kind {
        ExprKind::Null | ExprKind::Boolean(_) | ExprKind::Number(_) | ExprKind::Text(_) => {}
        ExprKind::Parameter(_) => {}
        ExprKind::Column(path) => path.iter_mut().for_each(of_name),
        ExprKind::Sign { minus: _, operand } => of_expr(operand),
        ExprKind::BitNot(operand) | ExprKind::Not(operand) | ExprKind::Nested(operand) => of_expr(operand),
        ExprKind::Binary { left, operator: _, right } => [left, right].into_iter().for_each(|side| of_expr(side)),
        ExprKind::Compare { left, operator: _, right } => [left, right].into_iter().for_each(|side| of_expr(side)),
        ExprKind::Distinct { left, right, negated: _ } => [left, right].into_iter().for_each(|side| of_expr(side)),
        ExprKind::And(terms) | ExprKind::Or(terms) => terms.iter_mut().for_each(of_expr),
        ExprKind::Between { value, low, high, negated: _ } => {
            [value, low, high].into_iter().for_each(|part| of_expr(part));
        }
        ExprKind::InList { value, list, negated: _ } => {
            of_expr(value);
            list.iter_mut().for_each(of_expr);
        }
        ExprKind::InQuery { value, query, negated: _ } => {
            of_expr(value);
            query.forget_places();
        }
        ExprKind::Like { value, pattern, escape: _, any_case: _, negated: _ } => {
            [value, pattern].into_iter().for_each(|part| of_expr(part));
        }
        ExprKind::IsNull { value, negated: _ } | ExprKind::IsTruth { value, truth: _, negated: _ } => of_expr(value),
        ExprKind::Exists(query) | ExprKind::Scalar(query) => query.forget_places(),
        ExprKind::Case { operand, branches, otherwise } => {
            operand.iter_mut().for_each(|operand| of_expr(operand));
            for (when, then) in branches {
                of_expr(when);
                of_expr(then);
            }
            otherwise.iter_mut().for_each(|otherwise| of_expr(otherwise));
        }
        ExprKind::Cast { operand, target: _, target_span } => {
            of_expr(operand);
            *target_span = Span::empty();
        }
        ExprKind::Call(call) => of_call(call),
    }
}

fn of_call(call: &mut Call) {
    let Call { name, star: _, distinct: _, arguments, over } = call;
    of_name(name);
    arguments.iter_mut().for_each(of_expr);
    if let Some(Window { partition_by, order_by, frame, span }) = over {
        partition_by.iter_mut().for_each(of_expr);
        order_by.iter_mut().for_each(of_order_item);
        // Bounds are plain numbers.
        let _: &Option<Frame> = frame;
        *span = Span::empty();
    }
}
