//! The functions that users call by name, as TAP announces them.

use crate::all_definitions;
use crate::definition::{Audience, Body, Definition, Form};

/// One argument list of a function that users call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Its name in its usual spelling. Calls are matched without regard to letter case.
    pub name: &'static str,
    /// The arguments in order.
    pub parameters: Vec<Parameter>,
    /// The type of its result: an ADQL type name.
    pub returns: &'static str,
    /// Whether it makes one value of many rows.
    pub aggregate: bool,
    /// The unit of its result as a VOUnit, if it is this whatever the arguments.
    pub unit: Option<&'static str>,
    /// The UCD of its result, if it is this whatever the arguments.
    pub ucd: Option<&'static str>,
    /// All of that but unit and UCD as TAPRegExt 1.0 §2.3 writes it: `scisql_angSep(lon1 DOUBLE, ..) -> DOUBLE`.
    pub form: String,
    /// What it returns, and what NULL and impossible values give. Plain text.
    pub description: String,
}

/// One argument of a [`Signature`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its ADQL type name. Any numeric type is taken for `DOUBLE`.
    pub type_name: &'static str,
}

/// Every argument list of every function that users call, grouped by function.
///
/// TAPRegExt's grammar knows no open lists, and clients check queries against the forms they are told, so a function of
/// 3 to 20 vertices has 18 of them. The `qserv_*` functions, which only the translation of ADQL's geometry writes, are
/// not here.
#[must_use]
pub fn signatures() -> Vec<Signature> {
    all_definitions()
        .filter(|definition| definition.audience == Audience::Users)
        .flat_map(|definition| definition.forms.iter().flat_map(move |form| of_form(definition, form)))
        .collect()
}

fn of_form(definition: &'static Definition, form: &'static Form) -> impl Iterator<Item = Signature> {
    let vertices = match form.vertices {
        None => 0..=0,
        Some(vertices) => vertices.at_least..=vertices.at_most,
    };
    vertices.map(move |vertices| of_vertices(definition, form, vertices))
}

fn of_vertices(definition: &'static Definition, form: &Form, vertices: usize) -> Signature {
    let names = form.names(vertices).into_iter().enumerate();
    let parameters: Vec<Parameter> =
        names.map(|(index, name)| Parameter { name, type_name: form.kind(index).type_name() }).collect();
    let list: Vec<String> = parameters.iter().map(|p| format!("{} {}", p.name, p.type_name)).collect();
    let returns = definition.returns.type_name();
    Signature {
        name: definition.name,
        form: format!("{}({}) -> {returns}", definition.name, list.join(", ")),
        description: format!("{} {}", definition.summary, definition.missing),
        parameters,
        returns,
        aggregate: matches!(definition.body, Body::Aggregate(_)),
        unit: definition.unit,
        ucd: definition.ucd,
    }
}
