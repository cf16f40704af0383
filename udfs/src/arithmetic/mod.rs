//! Numbers in SQL as ADQL's users get them: a result that does not fit its type is an error in the user's words, what has no
//! value is NULL.
//!
//! DataFusion's `+`, `-` and `*` of whole numbers wrap around, a division by zero is an error for whole numbers and infinite
//! for others, and a conversion that fails is told in Arrow's words. [`analyzer`] has DataFusion's rules between two of ours:
//! 1. `Arithmetic` puts the functions of `Checked` for operators of whole numbers, and makes a divisor of zero NULL
//!    (`NonZero`), while types are still those that the query gave.
//! 2. `Conversions` puts `Convert` for each cast that may fail, also for those that DataFusion has put in.
//!
//! `Finite` is what the translation of ADQL writes around functions such as `ln`; `Real` are functions that need more than that.

mod checked;
mod convert;
mod finite;
mod real;
mod rules;
mod single;
mod words;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use datafusion::optimizer::Analyzer;

use checked::{Checked, Operation};
use convert::Convert;
use finite::{Finite, NonZero};
use real::{Function, Real};
use rules::{Arithmetic, Conversions};

pub use single::Single;

/// The functions that the rules and the translation of ADQL write. A session that runs a plan of [`analyzer`]'s must have them.
#[must_use]
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let checked = Operation::ALL.map(|operation| ScalarUDF::new_from_impl(Checked::new(operation)));
    let others = [
        ScalarUDF::new_from_impl(NonZero::default()),
        ScalarUDF::new_from_impl(Finite::default()),
        ScalarUDF::new_from_impl(Real::new(Function::Root)),
        ScalarUDF::new_from_impl(Real::new(Function::Power)),
        ScalarUDF::new_from_impl(Convert::default()),
        ScalarUDF::new_from_impl(Single::default()),
    ];
    checked.into_iter().chain(others).map(Arc::new).collect()
}

/// DataFusion's analyzer with our arithmetic.
#[must_use]
pub fn analyzer() -> Analyzer {
    let mut analyzer = Analyzer::new();
    analyzer.rules.insert(0, Arc::new(Arithmetic));
    analyzer.rules.push(Arc::new(Conversions));
    analyzer
}
