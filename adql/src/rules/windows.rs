//! Rules about windows: frames that hold rows, and the constants that window functions take.

use super::Rules;
use crate::ast::{Call, Expr, Frame, FrameBound, FrameUnit, Window};

impl Rules<'_, '_, '_> {
    pub(super) fn window(&mut self, call: &Call, window: &Window) {
        if let Some(frame) = &window.frame {
            self.frame(frame, window);
        }
        let least = |least: f64| move |value: f64| value.fract() == 0.0 && value >= least;
        match (call.name.text.to_ascii_uppercase().as_str(), call.arguments.as_slice()) {
            ("NTILE", [parts]) => self.constant(parts, "the number of parts of NTILE", least(1.0)),
            ("NTH_VALUE", [_, row]) => self.constant(row, "the row of NTH_VALUE", least(1.0)),
            ("LAG" | "LEAD", [_, rows, ..]) => {
                self.constant(rows, "the number of rows of LAG and LEAD", least(f64::NEG_INFINITY));
            }
            _ => {}
        }
    }

    fn constant(&mut self, argument: &Expr, what: &str, fits: impl Fn(f64) -> bool) {
        if !argument.as_constant().is_some_and(fits) {
            let least = if what.contains("LAG") { "" } else { ", 1 or more" };
            self.report.fault(argument.span, format!("{what} is a whole number that is written out{least}"));
        }
    }

    fn frame(&mut self, frame: &Frame, window: &Window) {
        let mut fault = |message: &str| self.report.fault(window.span, message);
        let end = frame.end.as_ref().unwrap_or(&FrameBound::CurrentRow);
        match (&frame.start, end) {
            (FrameBound::Following(None), _) => fault("a window cannot begin at UNBOUNDED FOLLOWING, its last row"),
            (_, FrameBound::Preceding(None)) => fault("a window cannot end at UNBOUNDED PRECEDING, its first row"),
            (start, end) if place(start) > place(end) => fault("the window's first row stands behind its last one"),
            _ => {}
        }
        let counts =
            |bound: &FrameBound| matches!(bound, FrameBound::Preceding(Some(_)) | FrameBound::Following(Some(_)));
        match frame.unit {
            FrameUnit::Range if (counts(&frame.start) || counts(end)) && window.order_by.len() != 1 => {
                fault("RANGE with a distance needs exactly one expression in ORDER BY of the window");
            }
            FrameUnit::Groups if window.order_by.is_empty() => fault("GROUPS needs ORDER BY in the window"),
            _ => {}
        }
    }
}

/// Rows behind the present one.
fn place(bound: &FrameBound) -> i128 {
    match bound {
        FrameBound::CurrentRow => 0,
        FrameBound::Preceding(rows) => -rows.map_or(i128::MAX, i128::from),
        FrameBound::Following(rows) => rows.map_or(i128::MAX, i128::from),
    }
}
