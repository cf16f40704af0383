//! Qserv's restrictors, `qserv_areaspec_circle(lon, lat, radius)` and the like: conditions on where the rows of a query lie, of
//! which AND joins each to the rest of WHERE.

use sqlparser::tokenizer::Span;

use super::{Context, Rules};
use crate::ast::{Call, Comparison, Expr, ExprKind};
use crate::functions;
use crate::report::Problem;

/// How the names of restrictors begin.
const PREFIX: &str = "QSERV_AREASPEC_";

pub(super) fn is_areaspec(name: &str) -> bool {
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// The restrictor that a whole condition is: the call, or the call compared with 1.
fn restrictor(expr: &Expr) -> Option<&Call> {
    let call = match &expr.bare().kind {
        ExprKind::Compare { left, operator: Comparison::Equal, right } if right.as_position() == Some("1") => {
            left.as_call()
        }
        ExprKind::Compare { left, operator: Comparison::Equal, right } if left.as_position() == Some("1") => {
            right.as_call()
        }
        _ => expr.as_call(),
    };
    call.filter(|call| is_areaspec(&call.name.text))
}

impl Rules<'_, '_, '_> {
    /// WHERE: conditions, restrictors among those that AND joins.
    pub(super) fn filter(&mut self, expr: &Expr) {
        match &expr.bare().kind {
            ExprKind::And(terms) => terms.iter().for_each(|term| self.filter(term)),
            _ => match restrictor(expr) {
                Some(call) => self.restrictor(call, expr),
                None => self.condition(expr, Context::WHERE),
            },
        }
    }

    fn restrictor(&mut self, call: &Call, expr: &Expr) {
        if let Err(functions::Unresolved::WrongCount(forms)) =
            functions::find(&call.name.text, call.arguments.len(), &self.options.functions)
        {
            let problem =
                Problem::new(call.span(), format!("{} is called with a wrong number of arguments", call.name.text));
            self.fault(problem.expecting(forms));
            return;
        }
        if self.is_strict() && expr.as_call().is_some() {
            self.condition(expr, Context::WHERE);
        }
        let constants: Vec<Option<f64>> = call.arguments.iter().map(Expr::as_constant).collect();
        for (argument, constant) in call.arguments.iter().zip(&constants) {
            if constant.is_none() {
                let message = format!("{} takes numbers that are written out", call.name.text);
                self.report.fault(argument.span, message);
            }
        }
        let polygon = call.name.text.to_ascii_uppercase().ends_with("POLY");
        if polygon && !call.arguments.len().is_multiple_of(2) {
            self.report.fault(call.span(), "each vertex of a polygon is a longitude and a latitude");
        }
        self.sizes(call, &constants);
        let last = match call.arguments.len() {
            count if polygon => count,
            4 => 4,
            _ => 2,
        };
        let latitudes = call.arguments.iter().zip(&constants).take(last).skip(1).step_by(2);
        for (argument, constant) in latitudes {
            if constant.is_some_and(|value| value.abs() > 90.0) {
                self.report.fault(argument.span, "a latitude is between -90 and 90 degrees");
            }
        }
    }

    fn sizes(&mut self, call: &Call, constants: &[Option<f64>]) {
        // Behind the centre: a radius in degrees, or the half axes in seconds of arc.
        let sizes = match constants {
            [_, _, radius] => [*radius, None],
            [_, _, major, minor, _] => [*major, *minor],
            _ => return,
        };
        for (argument, _) in
            call.arguments.iter().skip(2).zip(sizes).filter(|(_, size)| size.is_some_and(|size| size < 0.0))
        {
            self.report.fault(argument.span, "the size of a shape cannot be negative");
        }
        if let ([Some(major), Some(minor)], Some(argument)) = (sizes, call.arguments.get(3))
            && minor > major
        {
            self.report.fault(argument.span, "the first half axis of an ellipse is the longer one");
        }
    }

    /// A restrictor anywhere else.
    pub(super) fn misplaced_areaspec(&mut self, call: &Call, span: Span) {
        let message = format!("{} can only stand in WHERE, joined to the rest by AND", call.name.text);
        self.report.fault(span, message);
    }
}
