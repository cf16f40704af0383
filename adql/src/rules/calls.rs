//! Rules about function calls: that the function exists, how it is called, and where it may stand.

use sqlparser::tokenizer::Span;

use super::{Context, Rules, areaspec, foreign};
use crate::ast::Call;
use crate::functions::{self, Callable, Kind, Unresolved};
use crate::report::Problem;

impl Rules<'_, '_, '_> {
    pub(super) fn call(&mut self, call: &Call, span: Span, context: Context) {
        // `*` stands for the one argument of COUNT.
        let count = if call.star { 1 } else { call.arguments.len() };
        let (function, kind) = match functions::find(&call.name.text, count, &self.options.functions) {
            Ok(Callable::Standard(function)) => (Some(function), function.kind),
            Ok(Callable::Declared(signature)) if signature.aggregate => (None, Kind::Aggregate),
            Ok(Callable::Declared(_)) => (None, Kind::Scalar),
            Err(unresolved) => {
                self.unresolved(call, count, unresolved);
                self.values(&call.arguments, context);
                return;
            }
        };
        if areaspec::is_areaspec(&call.name.text) {
            self.misplaced_areaspec(call, span);
            return;
        }
        let name = call.name.text.to_ascii_uppercase();
        if call.star && function.is_none_or(|function| function.name != "COUNT") {
            self.report.fault(span, format!("only COUNT takes `*`, {name} does not"));
        }
        if call.distinct && kind != Kind::Aggregate {
            self.report.fault(span, format!("only aggregates take DISTINCT or ALL, {name} does not"));
        }
        if call.distinct && call.star {
            self.report.fault(span, "COUNT(*) takes no DISTINCT");
        }
        let context = self.placed(call, span, kind, context);
        if let Some(function) = function {
            self.argument_forms(function, call);
        }
        if kind == Kind::Geometry {
            self.geometry(call, span);
        }
        self.values(&call.arguments, context);
        if let Some(window) = &call.over {
            self.window(call, window);
            let context = Context { windows: false, ..context };
            self.values(&window.partition_by, context);
            self.order_items(&window.order_by, context);
        }
    }

    /// Checks that a function of this kind may stand here; the answer is the context of its arguments.
    fn placed(&mut self, call: &Call, span: Span, kind: Kind, context: Context) -> Context {
        let name = call.name.text.to_ascii_uppercase();
        let windowed = call.over.is_some();
        match (kind, windowed) {
            (Kind::Window, false) => {
                self.report.fault(span, format!("{name} needs OVER ( .. ) behind it"));
            }
            (Kind::Scalar | Kind::Geometry, true) => {
                self.report.fault(span, format!("{name} takes no OVER; only aggregates and window functions do"));
            }
            (Kind::Aggregate, true) if call.distinct => {
                self.report.fault(span, format!("{name} takes no DISTINCT together with OVER"));
            }
            _ => {}
        }
        if windowed {
            if context.inside_aggregate {
                let remedy = "compute it in a query in FROM";
                self.report.fault(span, format!("a window function cannot stand inside an aggregate; {remedy}"));
            } else if !context.windows {
                let remedy = "compute it in a query in FROM, and use its column outside";
                self.report.fault(span, format!("a window function cannot stand in {}; {remedy}", context.clause));
            }
            return Context { windows: false, ..context };
        }
        if kind == Kind::Aggregate {
            if context.inside_aggregate {
                let remedy = "compute the inner one in a query in FROM";
                self.report.fault(span, format!("an aggregate cannot stand inside an aggregate; {remedy}"));
            } else if !context.aggregates {
                let remedy = match context.clause {
                    "WHERE" => "; conditions on groups stand in HAVING",
                    _ => "; compute it in a query in FROM",
                };
                self.report.fault(span, format!("an aggregate cannot stand in {}{remedy}", context.clause));
            }
            return Context { inside_aggregate: true, windows: false, ..context };
        }
        context
    }

    fn unresolved(&mut self, call: &Call, count: usize, unresolved: Unresolved) {
        if self.report.is_full() {
            return;
        }
        let name = &call.name.text;
        let problem = match unresolved {
            Unresolved::Unknown => match foreign::remedy(name) {
                Some(remedy) => Problem::new(call.span(), format!("there is no function `{name}`; {remedy}")),
                None => {
                    let forms = self.forms_near(name);
                    Problem::new(call.span(), format!("there is no function `{name}`")).suggesting(forms)
                }
            },
            Unresolved::WrongCount(forms) => {
                let arguments = if count == 1 { "1 argument".to_owned() } else { format!("{count} arguments") };
                Problem::new(call.span(), format!("{name} cannot be called with {arguments}")).expecting(forms)
            }
        };
        self.fault(problem);
    }

    /// How the functions of nearly this name are called.
    fn forms_near(&self, name: &str) -> Vec<String> {
        let declared = &self.options.functions;
        let forms = functions::near(name, declared).into_iter().flat_map(|near| {
            if let Some(function) = functions::standard(&near) {
                return vec![function.form.to_owned()];
            }
            declared.iter().filter(|signature| signature.name == near).map(ToString::to_string).collect()
        });
        forms.collect()
    }
}
