//! Random syntax trees, made of choices: each is one byte, and without bytes the first alternative is taken, so that proptest
//! shrinks a tree by shrinking its bytes.
//!
//! Only trees that the grammar gives are made: an operand that binds too weakly is put into parentheses, a join without a
//! condition is the last one, and so on. Where a form is restricted, a comment says by which rule of the parser.

use sqlparser::tokenizer::Span;

use crate::ast::{
    Body, Call, CastTarget, CommonTable, Comparison, Count, Expr, ExprKind, Frame, FrameBound, FrameUnit, Item, Join,
    JoinCondition, JoinKind, Joined, Name, Operator, OrderItem, Path, Query, Relation, Select, SetLink, SetOperator,
    Window,
};

/// How deep expressions and queries are nested.
const DEEPEST: u32 = 6;

/// Ranks as the parser has them.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const PREDICATE: u8 = 4;
const SIGN: u8 = 11;
const PRIMARY: u8 = 12;

/// A whole query; its parentheses, if it has any, stand around all of it.
pub(super) fn statement(choices: &[u8]) -> Query {
    let mut choices = Choices { bytes: choices.iter(), depth: 0 };
    let wrappers = choices.below(8).saturating_sub(5);
    let mut query = choices.query();
    for _ in 0..wrappers {
        query = plain(Body::Query(Box::new(query)));
    }
    query
}

fn plain(body: Body) -> Query {
    Query {
        with: Vec::new(),
        body,
        order_by: Vec::new(),
        limit: None,
        offset: None,
        span: Span::empty(),
        height: 0,
        size: 0,
    }
}

fn node(kind: ExprKind) -> Expr {
    Expr::new(kind, Span::empty())
}

/// What CURRENT_TIMESTAMP is read as.
fn now() -> ExprKind {
    let name = Name { text: "NOW".to_owned(), quoted: false, span: Span::empty() };
    let call = Call { name, star: false, distinct: false, arguments: Vec::new(), over: None };
    let operand = Box::new(node(ExprKind::Call(Box::new(call))));
    ExprKind::Cast { operand, target: CastTarget::Timestamp, target_span: Span::empty() }
}

fn rank_of_operator(operator: Operator) -> u8 {
    match operator {
        Operator::BitOr => 5,
        Operator::BitAnd => 6,
        Operator::ShiftLeft | Operator::ShiftRight => 7,
        Operator::Add | Operator::Subtract | Operator::Concatenate => 8,
        Operator::Multiply | Operator::Divide | Operator::IntegerDivide | Operator::Modulo => 9,
        Operator::BitXor => 10,
    }
}

fn rank_of(expr: &Expr) -> u8 {
    match &expr.kind {
        ExprKind::Or(_) => OR,
        ExprKind::And(_) => AND,
        ExprKind::Not(_) => NOT,
        ExprKind::Compare { .. }
        | ExprKind::Distinct { .. }
        | ExprKind::Between { .. }
        | ExprKind::InList { .. }
        | ExprKind::InQuery { .. }
        | ExprKind::Like { .. }
        | ExprKind::IsNull { .. }
        | ExprKind::IsTruth { .. } => PREDICATE,
        ExprKind::Binary { operator, .. } => rank_of_operator(*operator),
        ExprKind::Sign { .. } | ExprKind::BitNot(_) => SIGN,
        _ => PRIMARY,
    }
}

struct Choices<'b> {
    bytes: std::slice::Iter<'b, u8>,
    depth: u32,
}

impl Choices<'_> {
    fn below(&mut self, number: usize) -> usize {
        self.bytes.next().map_or(0, |byte| usize::from(*byte) % number)
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn is(&mut self) -> bool {
        self.below(2) == 1
    }

    fn rarely(&mut self) -> bool {
        self.below(4) == 3
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.rarely() { Some(make(self)) } else { None }
    }

    fn many<T>(&mut self, least: usize, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let number = least + self.below(most - least + 1);
        (0..number).map(|_| make(self)).collect()
    }

    fn is_deep(&self) -> bool {
        self.depth >= DEEPEST || self.bytes.len() == 0
    }

    fn deeper<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> T {
        self.depth += 1;
        let made = make(self);
        self.depth -= 1;
        made
    }

    // Words.

    fn characters(&mut self, least: usize) -> String {
        const ODD: &[char] = &[
            'a', 'Z', '0', '_', ' ', '\'', '"', '\\', '\n', '\r', '\t', '\0', ';', '-', '/', '*', '%', '.', ',', '(',
            ')', 'é', '♃', '👩', '\u{301}', '`', '$',
        ];
        self.many(least, 5, |choices| choices.one_of(ODD)).into_iter().collect()
    }

    fn name(&mut self) -> Name {
        // Words that end no clause: reserved ones among them, and such as begin something in another place.
        const WORDS: &[&str] = &[
            "a",
            "objectId",
            "t",
            "size",
            "distance",
            "Point",
            "_x",
            "x1",
            "div",
            "limit",
            "over",
            "rows",
            "range",
            "groups",
            "nulls",
            "first",
            "row",
            "filter",
            "within",
            "partition",
            "escape",
            "timestamp",
            "date",
            "tablesample",
            "unknown",
            "extract",
            "current",
            "unbounded",
            "preceding",
            "precision",
            "key",
        ];
        const RESERVED: &[&str] = &["select", "ORDER", "from", "a b", "case", "NULL"];
        if self.rarely() {
            let text = if self.is() { self.characters(1) } else { self.one_of(RESERVED).to_owned() };
            return Name { text, quoted: true, span: Span::empty() };
        }
        Name { text: self.one_of(WORDS).to_owned(), quoted: false, span: Span::empty() }
    }

    /// Behind AS in a select list any word is a name.
    fn column_alias(&mut self) -> Name {
        const ENDING: &[&str] = &["order", "where", "null", "as"];
        if self.rarely() {
            return Name { text: self.one_of(ENDING).to_owned(), quoted: false, span: Span::empty() };
        }
        self.name()
    }

    fn path(&mut self, longest: usize) -> Path {
        self.many(1, longest, Self::name)
    }

    fn number(&mut self) -> u64 {
        self.one_of(&[0, 1, 2, 17, i64::MAX.unsigned_abs()])
    }

    fn count(&mut self) -> Count {
        Count { rows: self.number(), span: Span::empty() }
    }

    // Queries.

    /// A query that is more than another one in parentheses: around those, the parser forgets pairs.
    fn query(&mut self) -> Query {
        let mut query = self.deeper(Self::any_query);
        loop {
            let bounds = query.limit.is_some() || query.offset.is_some();
            match query.body {
                Body::Query(inner) if query.with.is_empty() && query.order_by.is_empty() && !bounds => query = *inner,
                _ => return query,
            }
        }
    }

    fn any_query(&mut self) -> Query {
        let with = if self.rarely() && !self.is_deep() { self.many(1, 2, Self::common_table) } else { Vec::new() };
        let body = self.body();
        let order_by = if self.rarely() { self.many(1, 3, Self::order_item) } else { Vec::new() };
        Query { with, order_by, limit: self.maybe(Self::count), offset: self.maybe(Self::count), ..plain(body) }
    }

    fn common_table(&mut self) -> CommonTable {
        let columns = if self.rarely() { self.many(1, 3, Self::name) } else { Vec::new() };
        CommonTable { name: self.name(), columns, query: self.query() }
    }

    fn body(&mut self) -> Body {
        if self.is_deep() || !self.rarely() {
            return self.primary_body();
        }
        let first = self.term_body();
        let links = self.many(1, 3, |choices| SetLink {
            operator: if choices.is() { SetOperator::Except } else { SetOperator::Union },
            all: choices.is(),
            span: Span::empty(),
            right: choices.term_body(),
        });
        Body::Operations { first: Box::new(first), links }
    }

    /// An operand of UNION or EXCEPT.
    fn term_body(&mut self) -> Body {
        let first = self.primary_body();
        if !self.rarely() {
            return first;
        }
        let links = self.many(1, 2, |choices| SetLink {
            operator: SetOperator::Intersect,
            all: choices.is(),
            span: Span::empty(),
            right: choices.primary_body(),
        });
        Body::Operations { first: Box::new(first), links }
    }

    fn primary_body(&mut self) -> Body {
        if !self.is_deep() && self.rarely() {
            Body::Query(Box::new(self.query()))
        } else {
            Body::Select(Box::new(self.select()))
        }
    }

    fn select(&mut self) -> Select {
        let mut select = Select {
            distinct: self.rarely(),
            top: self.maybe(Self::count),
            items: self.many(1, 3, Self::item),
            from: Vec::new(),
            filter: None,
            group_by: Vec::new(),
            having: None,
            span: Span::empty(),
        };
        // Without FROM there are no further clauses.
        if self.below(8) != 7 {
            select.from = self.many(1, 2, Self::joined);
            select.filter = self.maybe(|choices| choices.expr(OR));
            select.group_by = if self.rarely() { self.many(1, 2, |choices| choices.expr(OR)) } else { Vec::new() };
            select.having = self.maybe(|choices| choices.expr(OR));
        }
        select
    }

    fn item(&mut self) -> Item {
        match self.below(6) {
            1 => Item::Star(Span::empty()),
            2 => Item::TableStar(self.path(3), Span::empty()),
            _ => Item::Expr { expr: self.expr(OR), alias: self.maybe(Self::column_alias) },
        }
    }

    fn joined(&mut self) -> Joined {
        let first = self.relation();
        let joins = if self.is_deep() { Vec::new() } else { self.many(0, 2, Self::join) };
        Joined { first, joins }
    }

    fn join(&mut self) -> Join {
        use JoinKind::{Cross, Full, Inner, Left, Right};
        let kind = self.one_of(&[Inner, Left, Right, Full, Cross]);
        let relation = self.relation();
        let condition = match self.below(4) {
            _ if kind == Cross => JoinCondition::None,
            1 => JoinCondition::Natural,
            2 => JoinCondition::Using(self.many(1, 3, Self::name)),
            _ => JoinCondition::On(self.expr(OR)),
        };
        Join { kind, relation, condition, span: Span::empty() }
    }

    fn relation(&mut self) -> Relation {
        if self.is_deep() {
            return self.table();
        }
        match self.below(6) {
            2 => {
                let percent = self.one_of(&["0", "5", "12.5", ".1", "1e1", "100"]).to_owned();
                Relation::Sampled { table: Box::new(self.table()), percent, span: Span::empty() }
            }
            3 => Relation::Derived {
                query: Box::new(self.query()),
                alias: if self.rarely() { None } else { Some(self.name()) },
            },
            4 => {
                let mut joined = self.deeper(Self::joined);
                // A query without an alias, alone in parentheses, is a derived table itself.
                if let Relation::Derived { alias: alias @ None, .. } = &mut joined.first
                    && joined.joins.is_empty()
                {
                    *alias = Some(self.name());
                }
                Relation::Nested(Box::new(joined))
            }
            _ => self.table(),
        }
    }

    fn table(&mut self) -> Relation {
        Relation::Table { path: self.path(3), alias: self.maybe(Self::name) }
    }

    fn order_item(&mut self) -> OrderItem {
        OrderItem { expr: self.expr(OR), descending: self.maybe(Self::is), nulls_first: self.maybe(Self::is) }
    }

    // Expressions.

    /// An expression of at least this rank.
    fn expr(&mut self, lowest: u8) -> Expr {
        let kind = if self.is_deep() { self.leaf() } else { self.deeper(Self::kind) };
        let expr = node(kind);
        if rank_of(&expr) < lowest { node(ExprKind::Nested(Box::new(expr))) } else { expr }
    }

    fn boxed(&mut self, lowest: u8) -> Box<Expr> {
        Box::new(self.expr(lowest))
    }

    fn leaf(&mut self) -> ExprKind {
        const NUMBERS: &[&str] =
            &["0", "1", "42", "1.5", ".5", "5.", "1e5", "1E5", "1.5E-3", ".5e+2", "5.E1", "18446744073709551616", "00"];
        match self.below(6) {
            0 | 1 => ExprKind::Column(self.path(4)),
            2 => ExprKind::Number(self.one_of(NUMBERS).to_owned()),
            3 => ExprKind::Text(self.characters(0)),
            4 => ExprKind::Boolean(self.is()),
            _ if self.rarely() => now(),
            _ => ExprKind::Null,
        }
    }

    fn kind(&mut self) -> ExprKind {
        /// What a predicate compares.
        const OPERAND: u8 = PREDICATE + 1;
        let negated = self.is();
        match self.below(24) {
            0..=3 => self.leaf(),
            4 => ExprKind::Sign { minus: negated, operand: self.boxed(SIGN) },
            5 => ExprKind::BitNot(self.boxed(SIGN)),
            6 | 7 => self.binary(),
            8 => {
                ExprKind::Compare { left: self.boxed(OPERAND), operator: self.comparison(), right: self.boxed(OPERAND) }
            }
            9 => ExprKind::Distinct { left: self.boxed(OPERAND), right: self.boxed(OPERAND), negated },
            10 => ExprKind::Not(self.boxed(NOT)),
            11 => ExprKind::And(self.many(2, 4, |choices| choices.expr(NOT))),
            12 => ExprKind::Or(self.many(2, 4, |choices| choices.expr(AND))),
            13 => ExprKind::Between {
                value: self.boxed(OPERAND),
                low: self.boxed(OPERAND),
                high: self.boxed(OPERAND),
                negated,
            },
            14 => ExprKind::InList { value: self.boxed(OPERAND), list: self.in_list(), negated },
            15 => ExprKind::InQuery { value: self.boxed(OPERAND), query: Box::new(self.query()), negated },
            16 => ExprKind::Like {
                value: self.boxed(OPERAND),
                pattern: self.boxed(OPERAND),
                escape: self.maybe(|choices| choices.one_of(&['!', '\'', '\\', 'é'])),
                any_case: self.is(),
                negated,
            },
            17 if self.is() => ExprKind::IsNull { value: self.boxed(OPERAND), negated },
            17 => {
                let truth = self.one_of(&[Some(true), Some(false), None]);
                ExprKind::IsTruth { value: self.boxed(OPERAND), truth, negated }
            }
            18 if self.is() => ExprKind::Exists(Box::new(self.query())),
            18 => ExprKind::Scalar(Box::new(self.query())),
            19 => ExprKind::Case {
                operand: self.maybe(|choices| choices.boxed(OR)),
                branches: self.many(1, 2, |choices| (choices.expr(OR), choices.expr(OR))),
                otherwise: self.maybe(|choices| choices.boxed(OR)),
            },
            20 => ExprKind::Cast { operand: self.boxed(OR), target: self.cast_target(), target_span: Span::empty() },
            21 | 22 => ExprKind::Call(Box::new(self.call())),
            _ => ExprKind::Nested(self.boxed(OR)),
        }
    }

    fn in_list(&mut self) -> Vec<Expr> {
        let mut list = self.many(1, 3, |choices| choices.expr(OR));
        // One query alone is the query.
        if let [only] = list.as_slice()
            && matches!(only.bare().kind, ExprKind::Scalar(_))
        {
            list.push(node(ExprKind::Null));
        }
        list
    }

    fn comparison(&mut self) -> Comparison {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        self.one_of(&[Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual])
    }

    fn binary(&mut self) -> ExprKind {
        use Operator::{
            Add, BitAnd, BitOr, BitXor, Concatenate, Divide, IntegerDivide, Modulo, Multiply, ShiftLeft, ShiftRight,
            Subtract,
        };
        #[rustfmt::skip]
        let operator = self.one_of(&[
            Add, Subtract, Multiply, Divide, IntegerDivide, Modulo, Concatenate, BitAnd, BitOr, BitXor, ShiftLeft, ShiftRight,
        ]);
        let rank = rank_of_operator(operator);
        ExprKind::Binary { left: self.boxed(rank), operator, right: self.boxed(rank + 1) }
    }

    fn cast_target(&mut self) -> CastTarget {
        let length = self.maybe(Self::number);
        let precision = self.maybe(|choices| (choices.number(), choices.number()));
        self.one_of(&[
            CastTarget::SmallInt,
            CastTarget::Integer,
            CastTarget::BigInt,
            CastTarget::Real,
            CastTarget::Double,
            CastTarget::Decimal { precision },
            CastTarget::Char(length),
            CastTarget::Varchar(length),
            CastTarget::Timestamp,
            CastTarget::Date,
            CastTarget::Boolean,
            CastTarget::Point,
            CastTarget::Circle,
            CastTarget::Polygon,
        ])
    }

    fn call(&mut self) -> Call {
        const PLAIN: &[&str] = &["ABS", "count", "my_function", "POINT", "CONTAINS", "LTRIM", "_f", "rank"];
        let (text, star, distinct, arguments) = match self.below(8) {
            // The functions with words between their arguments take arguments only.
            0 => ("TRIM", false, false, self.many(1, 2, |choices| choices.expr(OR))),
            1 => ("SUBSTRING", false, false, self.many(1, 3, |choices| choices.expr(OR))),
            2 => ("POSITION", false, false, vec![self.expr(OR), self.expr(PREDICATE + 1)]),
            3 => {
                let field = self.one_of(&["year", "Year", "epoch", "a b", "select"]).to_owned();
                ("EXTRACT", false, self.rarely(), vec![node(ExprKind::Text(field)), self.expr(OR)])
            }
            4 => ("count", true, false, Vec::new()),
            _ => {
                let arguments = self.many(0, 3, |choices| choices.expr(OR));
                (self.one_of(PLAIN), false, self.rarely() && !arguments.is_empty(), arguments)
            }
        };
        let name = Name { text: text.to_owned(), quoted: false, span: Span::empty() };
        Call { name, star, distinct, arguments, over: self.maybe(Self::window) }
    }

    fn window(&mut self) -> Window {
        Window {
            partition_by: self.many(0, 2, |choices| choices.expr(OR)),
            order_by: self.many(0, 2, Self::order_item),
            frame: self.is().then(|| self.frame()),
            span: Span::empty(),
        }
    }

    fn frame(&mut self) -> Frame {
        let unit = self.one_of(&[FrameUnit::Rows, FrameUnit::Range, FrameUnit::Groups]);
        Frame { unit, start: self.frame_bound(), end: if self.is() { Some(self.frame_bound()) } else { None } }
    }

    fn frame_bound(&mut self) -> FrameBound {
        match self.below(3) {
            0 => FrameBound::CurrentRow,
            1 => FrameBound::Preceding(self.maybe(Self::number)),
            _ => FrameBound::Following(self.maybe(Self::number)),
        }
    }
}
