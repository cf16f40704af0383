//! A translated expression and what is known of it.

use sqlparser::ast::{DataType, Expr as SqlExpr};

use super::sql;
use crate::names::TypeClass;

/// A translated expression.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) sql: SqlExpr,
    /// What it is in ADQL.
    pub(super) class: TypeClass,
    /// In ADQL the number 0 or 1, in the engine false or true: the geometry predicates.
    pub(super) zero_one: bool,
    /// A text of a fixed length: blanks at its end do not count where it is compared.
    pub(super) padded: bool,
}

impl Value {
    pub(super) fn new(sql: SqlExpr, class: TypeClass) -> Self {
        Self { sql, class, zero_one: false, padded: false }
    }

    pub(super) fn boolean(sql: SqlExpr) -> Self {
        Self::new(sql, TypeClass::Boolean)
    }

    pub(super) fn zero_one(sql: SqlExpr) -> Self {
        Self { zero_one: true, ..Self::new(sql, TypeClass::Integer) }
    }

    pub(super) fn padded(sql: SqlExpr) -> Self {
        Self { padded: true, ..Self::new(sql, TypeClass::Text) }
    }

    /// NULL, also in the place of what has a fault.
    pub(super) fn null() -> Self {
        Self::new(sql::null(), TypeClass::Other)
    }

    /// Whether the engine sees true or false.
    pub(super) fn is_truth(&self) -> bool {
        self.zero_one || self.class == TypeClass::Boolean
    }

    /// As ADQL sees it.
    pub(super) fn plain(self) -> Self {
        if self.zero_one { self.number() } else { self }
    }

    /// As a number: true is 1.
    pub(super) fn number(self) -> Self {
        if self.is_truth() { Self::new(sql::cast(self.sql, DataType::Integer(None)), TypeClass::Integer) } else { self }
    }
}
