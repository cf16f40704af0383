//! What other dialects call things that ADQL has under another name.
//!
//! Each is read as what it means in ADQL, and noted as a liberty. A function that the service itself declares under such a
//! name is that function.

use sqlparser::tokenizer::Span;

use super::{Parsed, Parser};
use crate::ast::{Call, CastTarget, Expr, ExprKind, Name};
use crate::functions;

/// Functions with the same arguments under another name, sorted.
#[rustfmt::skip]
const SAME_ARGUMENTS: &[(&str, &str)] = &[
    ("ATN2", "ATAN2"), ("COUNT_BIG", "COUNT"), ("IFNULL", "COALESCE"), ("ISNULL", "COALESCE"), ("LCASE", "LOWER"),
    ("LEN", "CHAR_LENGTH"), ("LOWERCASE", "LOWER"), ("MID", "SUBSTRING"), ("NVL", "COALESCE"), ("Q3C_DIST", "DISTANCE"), ("RANDOM", "RAND"),
    ("STD", "STDDEV_POP"), ("STDEV", "STDDEV_SAMP"), ("STDEVP", "STDDEV_POP"), ("TRUNC", "TRUNCATE"),
    ("UCASE", "UPPER"), ("UPPERCASE", "UPPER"), ("VAR", "VAR_SAMP"), ("VARP", "VAR_POP"),
];

/// The present moment, as it is asked for.
const NOW: &[&str] = &["CURRENT_TIMESTAMP", "GETDATE", "GETUTCDATE", "NOW", "SYSDATE", "SYSDATETIME"];

impl Parser<'_> {
    /// The call, as ADQL writes it.
    pub(super) fn in_adql(&mut self, mut call: Call, start: Span) -> Parsed<Expr> {
        let name = call.name.text.to_ascii_uppercase();
        if call.star || call.distinct && !name.starts_with("COUNT") {
            return self.node(ExprKind::Call(Box::new(call)), start);
        }
        if NOW.contains(&name.as_str()) && call.arguments.is_empty() && !self.declares(&name) {
            return self.now(start);
        }
        let known = functions::find(&name, call.arguments.len(), self.declared);
        if !matches!(known, Err(functions::Unresolved::Unknown)) {
            return self.node(ExprKind::Call(Box::new(call)), start);
        }
        let arguments = std::mem::take(&mut call.arguments);
        let (kind, instead) = match (name.as_str(), <[Expr; 1]>::try_from(arguments)) {
            ("ISNULL", Ok([value])) => {
                let value = Box::new(self.as_operand(value)?);
                (ExprKind::IsNull { value, negated: false }, "x IS NULL".to_owned())
            }
            (_, arguments) => {
                let arguments = arguments.map_or_else(|arguments| arguments, Vec::from);
                match self.rewritten(&name, arguments, start)? {
                    Ok(rewritten) => rewritten,
                    Err(arguments) => {
                        call.arguments = arguments;
                        let same = SAME_ARGUMENTS.binary_search_by(|(other, _)| other.cmp(&name.as_str()));
                        if let Some((_, adql)) = same.ok().and_then(|index| SAME_ARGUMENTS.get(index)) {
                            (*adql).clone_into(&mut call.name.text);
                            self.liberty(call.name.span, format!("{name} is called {adql} in ADQL"));
                        }
                        return self.node(ExprKind::Call(Box::new(call)), start);
                    }
                }
            }
        };
        self.liberty(start, format!("{name} is not part of ADQL; write {instead}"));
        self.node(kind, start)
    }

    /// A call that becomes another kind of expression, or other arguments; else the arguments again.
    #[allow(clippy::type_complexity, reason = "said once: what it becomes and how that is written, or the arguments")]
    fn rewritten(
        &mut self,
        name: &str,
        arguments: Vec<Expr>,
        start: Span,
    ) -> Parsed<Result<(ExprKind, String), Vec<Expr>>> {
        let count = arguments.len();
        let mut list = arguments.into_iter();
        let mut next = || list.next();
        let rewritten = match (name, count) {
            ("IF" | "IIF", 3) => match (next(), next(), next()) {
                (Some(when), Some(then), Some(otherwise)) => case(when, then, otherwise),
                _ => return Ok(Err(Vec::new())),
            },
            ("NVL2", 3) => match (next(), next(), next()) {
                (Some(value), Some(then), Some(otherwise)) => {
                    let kind = ExprKind::IsNull { value: Box::new(self.as_operand(value)?), negated: true };
                    let when = self.node(kind, start)?;
                    case(when, then, otherwise)
                }
                _ => return Ok(Err(Vec::new())),
            },
            ("CHARINDEX" | "LOCATE" | "INSTR" | "STRPOS", 2) => match (next(), next()) {
                (Some(first), Some(second)) => {
                    let text_first = matches!(name, "INSTR" | "STRPOS");
                    let (text, part) = if text_first { (first, second) } else { (second, first) };
                    let arguments = vec![text, self.as_operand(part)?];
                    (call_of("POSITION", arguments, start), "POSITION(part IN text)".to_owned())
                }
                _ => return Ok(Err(Vec::new())),
            },
            ("LEFT", 2) => match (next(), next()) {
                (Some(text), Some(length)) => {
                    let first = self.node(ExprKind::Number("1".to_owned()), start)?;
                    let kind = call_of("SUBSTRING", vec![text, first, length], start);
                    (kind, "SUBSTRING(text, 1, length)".to_owned())
                }
                _ => return Ok(Err(Vec::new())),
            },
            // The IVOA's name of it, where the service has that.
            ("STRING_AGG" | "GROUP_CONCAT" | "LISTAGG", 2) if self.declares("ivo_string_agg") => {
                (call_of("ivo_string_agg", list.collect(), start), "IVO_STRING_AGG(text, delimiter)".to_owned())
            }
            ("SQUARE", 1) => {
                let two = self.node(ExprKind::Number("2".to_owned()), start)?;
                (call_of("POWER", list.chain([two]).collect(), start), "POWER(x, 2)".to_owned())
            }
            ("Q3C_RADIAL_QUERY" | "Q3C_JOIN", 5) => {
                let point: Vec<Expr> = list.by_ref().take(2).collect();
                let point = self.node(call_of("POINT", point, start), start)?;
                let circle = self.node(call_of("CIRCLE", list.collect(), start), start)?;
                let instead = "CONTAINS(POINT(ra, dec), CIRCLE(ra0, dec0, radius)) = 1";
                (call_of("CONTAINS", vec![point, circle], start), instead.to_owned())
            }
            _ => return Ok(Err(list.collect())),
        };
        Ok(Ok(rewritten))
    }

    /// The expression as it can stand in front of IS or IN: a condition in parentheses.
    fn as_operand(&mut self, expr: Expr) -> Parsed<Expr> {
        let start = expr.span;
        match &expr.kind {
            ExprKind::And(_)
            | ExprKind::Or(_)
            | ExprKind::Not(_)
            | ExprKind::Compare { .. }
            | ExprKind::Distinct { .. }
            | ExprKind::Between { .. }
            | ExprKind::InList { .. }
            | ExprKind::InQuery { .. }
            | ExprKind::Like { .. }
            | ExprKind::IsNull { .. }
            | ExprKind::IsTruth { .. } => self.node(ExprKind::Nested(Box::new(expr)), start),
            _ => Ok(expr),
        }
    }

    /// The present moment, without the time zone that engines give it.
    pub(super) fn now(&mut self, start: Span) -> Parsed<Expr> {
        self.liberty(start, "the present moment is not part of ADQL; write a timestamp");
        let operand = Box::new(self.node(call_of("NOW", Vec::new(), start), start)?);
        self.node(ExprKind::Cast { operand, target: CastTarget::Timestamp, target_span: start }, start)
    }

    fn declares(&self, name: &str) -> bool {
        self.declared.iter().any(|function| function.name.eq_ignore_ascii_case(name))
    }
}

fn case(when: Expr, then: Expr, otherwise: Expr) -> (ExprKind, String) {
    let kind = ExprKind::Case { operand: None, branches: vec![(when, then)], otherwise: Some(Box::new(otherwise)) };
    (kind, "CASE WHEN .. THEN .. ELSE .. END".to_owned())
}

fn call_of(name: &str, arguments: Vec<Expr>, span: Span) -> ExprKind {
    let name = Name { text: name.to_owned(), quoted: false, span };
    ExprKind::Call(Box::new(Call { name, star: false, distinct: false, arguments, over: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_sorted_and_lead_to_functions() {
        assert!(SAME_ARGUMENTS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (other, adql) in SAME_ARGUMENTS {
            assert!(functions::standard(adql).is_some() && functions::standard(other).is_none(), "{other} {adql}");
        }
        assert!(functions::standard("NOW").is_some());
    }
}
