//! The functions that queries may call beside ADQL's own: those that the engine has.

use std::sync::LazyLock;

use qserv_adql::FunctionSignature;

/// Every function that users call by name, in every form in which it can be called, as `qserv-adql` declares functions.
#[must_use]
pub fn functions() -> Vec<FunctionSignature> {
    static FUNCTIONS: LazyLock<Vec<FunctionSignature>> =
        LazyLock::new(|| qserv_udfs::signatures().into_iter().filter_map(declared).collect());
    FUNCTIONS.clone()
}

/// A signature in the other crate's terms. A test holds that all can be said there.
fn declared(signature: qserv_udfs::Signature) -> Option<FunctionSignature> {
    let declared: FunctionSignature = signature.form.parse().ok()?;
    let declared = if signature.aggregate { declared.aggregate() } else { declared };
    Some(FunctionSignature {
        unit: signature.unit.map(str::to_owned),
        ucd: signature.ucd.map(str::to_owned),
        ..declared
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_functions_of_the_engine_are_declared() {
        let functions = functions();
        assert_eq!(functions.len(), qserv_udfs::signatures().len());
        for name in ["ivo_healpix_index", "scisql_nanojanskyToAbMag", "h3_cell", "scisql_s2PtInCPoly"] {
            assert!(functions.iter().any(|function| function.name == name && !function.aggregate), "{name}");
        }
        let median = functions.iter().find(|function| function.name == "scisql_median").unwrap();
        assert!(median.aggregate);
        let magnitude = functions.iter().find(|function| function.name == "scisql_fluxToAbMag").unwrap();
        assert_eq!(magnitude.unit.as_deref(), Some("mag"));
    }

    /// What `qserv-adql` knows by itself must not be more than there is.
    #[test]
    fn the_functions_known_without_an_engine_are_there() {
        let functions = functions();
        for known in qserv_adql::scisql() {
            let count = known.parameters.len();
            assert!(functions.iter().any(|one| one.name == known.name && one.takes(count)), "{known}");
        }
    }
}
