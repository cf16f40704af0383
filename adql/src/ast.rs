//! The syntax tree of a query as its author wrote it: every node knows its place in the text.
//!
//! It holds ADQL and nothing else, so that the passes behind it can match every case. AND, OR, joins and set operations
//! are flat lists: long chains of them make the tree wider, never deeper.

mod places;

use sqlparser::tokenizer::Span;

/// An identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    /// Between double quotes: the letter case matters.
    pub(crate) quoted: bool,
    pub(crate) span: Span,
}

impl Name {
    /// Whether a name that is declared as `declared` is meant.
    pub(crate) fn matches(&self, declared: &str) -> bool {
        if self.quoted { self.text == declared } else { self.text.eq_ignore_ascii_case(declared) }
    }
}

/// A table or column with the names in front of it, outermost first; never empty.
pub(crate) type Path = Vec<Name>;

/// A query with everything that belongs to its whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    pub(crate) with: Vec<CommonTable>,
    pub(crate) body: Body,
    pub(crate) order_by: Vec<OrderItem>,
    pub(crate) limit: Option<Count>,
    pub(crate) offset: Option<Count>,
    pub(crate) span: Span,
    /// Height of the tallest expression inside.
    pub(crate) height: u32,
    /// Number of expressions inside.
    pub(crate) size: u32,
}

/// A number of rows, and where it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) rows: u64,
    pub(crate) span: Span,
}

/// One query of a WITH list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CommonTable {
    pub(crate) name: Name,
    pub(crate) columns: Vec<Name>,
    pub(crate) query: Query,
}

/// What ORDER BY, OFFSET and LIMIT apply to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    Select(Box<Select>),
    /// A query in parentheses.
    Query(Box<Query>),
    /// Operations from left to right. INTERSECT, which binds tighter, has an entry of its own as an operand.
    Operations {
        first: Box<Body>,
        links: Vec<SetLink>,
    },
}

/// One set operation with what stands on its right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SetLink {
    pub(crate) operator: SetOperator,
    pub(crate) all: bool,
    /// The operator's word.
    pub(crate) span: Span,
    pub(crate) right: Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOperator {
    Union,
    Except,
    Intersect,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Select {
    pub(crate) distinct: bool,
    pub(crate) top: Option<Count>,
    pub(crate) items: Vec<Item>,
    pub(crate) from: Vec<Joined>,
    pub(crate) filter: Option<Expr>,
    pub(crate) group_by: Vec<Expr>,
    pub(crate) having: Option<Expr>,
    /// The word SELECT.
    pub(crate) span: Span,
}

/// One entry of a select list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// `*`
    Star(Span),
    /// `table.*`
    TableStar(Path, Span),
    Expr {
        expr: Expr,
        alias: Option<Name>,
    },
}

/// One entry of FROM: a table and what is joined to it, from left to right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Joined {
    pub(crate) first: Relation,
    pub(crate) joins: Vec<Join>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Relation {
    Table {
        path: Path,
        alias: Option<Name>,
    },
    Derived {
        query: Box<Query>,
        alias: Option<Name>,
    },
    Nested(Box<Joined>),
    /// `table TABLESAMPLE(percent)`: so many per cent of a table's rows, by chance.
    Sampled {
        table: Box<Relation>,
        percent: String,
        span: Span,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) relation: Relation,
    pub(crate) condition: JoinCondition,
    /// The words of the join operator.
    pub(crate) span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum JoinCondition {
    None,
    Natural,
    On(Expr),
    Using(Vec<Name>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderItem {
    pub(crate) expr: Expr,
    pub(crate) descending: Option<bool>,
    pub(crate) nulls_first: Option<bool>,
}

/// An expression, a condition included: ADQL keeps values and conditions apart, which is the rules' business.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
    /// Height of the tree from here.
    pub(crate) height: u32,
    /// Number of expressions from here, this one included.
    pub(crate) size: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ExprKind {
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
    /// A `?`: the value with this number, from 0 on, is given when the query runs.
    Parameter(usize),
    Column(Path),
    Sign {
        minus: bool,
        operand: Box<Expr>,
    },
    BitNot(Box<Expr>),
    Binary {
        left: Box<Expr>,
        operator: Operator,
        right: Box<Expr>,
    },
    Compare {
        left: Box<Expr>,
        operator: Comparison,
        right: Box<Expr>,
    },
    Distinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Between {
        value: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
    },
    InList {
        value: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InQuery {
        value: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    Like {
        value: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<char>,
        any_case: bool,
        negated: bool,
    },
    IsNull {
        value: Box<Expr>,
        negated: bool,
    },
    /// `IS [NOT] TRUE`, `FALSE`, `UNKNOWN` (`truth` is `None`).
    IsTruth {
        value: Box<Expr>,
        truth: Option<bool>,
        negated: bool,
    },
    Exists(Box<Query>),
    Scalar(Box<Query>),
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast {
        operand: Box<Expr>,
        target: CastTarget,
        target_span: Span,
    },
    Call(Box<Call>),
    Nested(Box<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    IntegerDivide,
    Modulo,
    Concatenate,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A function call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: Name,
    /// `COUNT(*)`
    pub(crate) star: bool,
    pub(crate) distinct: bool,
    pub(crate) arguments: Vec<Expr>,
    pub(crate) over: Option<Window>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    pub(crate) partition_by: Vec<Expr>,
    pub(crate) order_by: Vec<OrderItem>,
    pub(crate) frame: Option<Frame>,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) unit: FrameUnit,
    pub(crate) start: FrameBound,
    pub(crate) end: Option<FrameBound>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameUnit {
    Rows,
    Range,
    Groups,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FrameBound {
    CurrentRow,
    /// `None`: unbounded.
    Preceding(Option<u64>),
    Following(Option<u64>),
}

/// The types that CAST can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CastTarget {
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    Decimal { precision: Option<(u64, u64)> },
    Char(Option<u64>),
    Varchar(Option<u64>),
    Timestamp,
    Date,
    Boolean,
    Point,
    Circle,
    Polygon,
}

impl Expr {
    pub(crate) fn new(kind: ExprKind, span: Span) -> Self {
        let (mut height, mut size) = (0, 1_u32);
        let mut measure = |child_height: u32, child_size: u32| {
            height = height.max(child_height);
            size = size.saturating_add(child_size);
        };
        for query in kind.queries() {
            measure(query.height, query.size);
        }
        kind.each_child(&mut |child| measure(child.height, child.size));
        Self { kind, span, height: height + 1, size }
    }

    /// Whether the expression or one below it, sub-queries left out, satisfies `wanted`.
    pub(crate) fn any(&self, wanted: &dyn Fn(&Expr) -> bool) -> bool {
        if wanted(self) {
            return true;
        }
        let mut found = false;
        self.kind.each_child(&mut |child| found = found || child.any(wanted));
        found
    }

    /// The expression without the parentheses around it.
    pub(crate) fn bare(&self) -> &Expr {
        let mut expr = self;
        while let ExprKind::Nested(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }

    /// The name, if this is a column without a table in front of it.
    pub(crate) fn as_single_name(&self) -> Option<&Name> {
        match &self.kind {
            ExprKind::Column(path) if path.len() == 1 => path.first(),
            _ => None,
        }
    }

    /// The number, if this is an unsigned integer: a position in the select list.
    pub(crate) fn as_position(&self) -> Option<&str> {
        match &self.kind {
            ExprKind::Number(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => Some(number),
            _ => None,
        }
    }

    /// The value of a number with its signs, if this is one.
    pub(crate) fn as_constant(&self) -> Option<f64> {
        let mut negative = false;
        let mut expr = self;
        loop {
            match &expr.kind {
                ExprKind::Nested(inner) => expr = inner,
                ExprKind::Sign { minus, operand } => {
                    negative ^= minus;
                    expr = operand;
                }
                ExprKind::Number(number) => {
                    let value: f64 = number.parse().ok()?;
                    return Some(if negative { -value } else { value });
                }
                _ => return None,
            }
        }
    }

    /// The text, if this is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.bare().kind {
            ExprKind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The call, if this is one.
    pub(crate) fn as_call(&self) -> Option<&Call> {
        match &self.bare().kind {
            ExprKind::Call(call) => Some(call),
            _ => None,
        }
    }
}

impl ExprKind {
    /// The sub-query directly below, if there is one.
    fn queries(&self) -> impl Iterator<Item = &Query> {
        let query = match self {
            Self::InQuery { query, .. } | Self::Exists(query) | Self::Scalar(query) => Some(&**query),
            _ => None,
        };
        query.into_iter()
    }

    /// Calls `visit` with each expression directly below; sub-queries are not entered.
    fn each_child<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        match self {
            Self::Null | Self::Boolean(_) | Self::Number(_) | Self::Text(_) => {}
            Self::Parameter(_) | Self::Column(_) => {}
            Self::Exists(_) | Self::Scalar(_) => {}
            Self::Sign { operand, .. } | Self::BitNot(operand) | Self::Not(operand) | Self::Nested(operand) => {
                visit(operand)
            }
            Self::Cast { operand, .. } => visit(operand),
            Self::Binary { left, right, .. }
            | Self::Compare { left, right, .. }
            | Self::Distinct { left, right, .. } => {
                visit(left);
                visit(right);
            }
            Self::And(terms) | Self::Or(terms) => terms.iter().for_each(visit),
            Self::Between { value, low, high, .. } => [value, low, high].into_iter().for_each(|child| visit(child)),
            Self::InList { value, list, .. } => {
                visit(value);
                list.iter().for_each(visit);
            }
            Self::InQuery { value, .. } => visit(value),
            Self::Like { value, pattern, .. } => {
                visit(value);
                visit(pattern);
            }
            Self::IsNull { value, .. } | Self::IsTruth { value, .. } => visit(value),
            Self::Case { operand, branches, otherwise } => {
                operand.iter().for_each(|child| visit(child));
                for (condition, result) in branches {
                    visit(condition);
                    visit(result);
                }
                otherwise.iter().for_each(|child| visit(child));
            }
            Self::Call(call) => {
                call.arguments.iter().for_each(&mut *visit);
                if let Some(window) = &call.over {
                    window.partition_by.iter().for_each(&mut *visit);
                    window.order_by.iter().for_each(|item| visit(&item.expr));
                }
            }
        }
    }
}
