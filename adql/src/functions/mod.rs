//! What can be called: the functions of ADQL and of the declared extensions, and those that a service adds.

mod signature;
mod standard;

pub use signature::{FunctionSignature, Parameter, SignatureError};
pub(crate) use standard::{Arguments, Function, Kind, ResultClass, Sql, all, standard};

use crate::nearest;

/// The sciSQL functions that LSST queries call, in the form in which a service declares them.
const SCISQL: &[&str] = &[
    "scisql_nanojanskyToAbMag(flux DOUBLE) -> DOUBLE",
    "scisql_nanojanskyToAbMagSigma(flux DOUBLE, fluxSigma DOUBLE) -> DOUBLE",
    "scisql_fluxToAbMag(flux DOUBLE) -> DOUBLE",
    "scisql_fluxToAbMagSigma(flux DOUBLE, fluxSigma DOUBLE) -> DOUBLE",
    "scisql_angSep(lon1 DOUBLE, lat1 DOUBLE, lon2 DOUBLE, lat2 DOUBLE) -> DOUBLE",
    "scisql_s2PtInBox(lon DOUBLE, lat DOUBLE, lonMin DOUBLE, latMin DOUBLE, lonMax DOUBLE, latMax DOUBLE) -> INTEGER",
    "scisql_s2PtInCircle(lon DOUBLE, lat DOUBLE, centerLon DOUBLE, centerLat DOUBLE, radius DOUBLE) -> INTEGER",
    "scisql_s2PtInCPoly(lon DOUBLE, lat DOUBLE, v1Lon DOUBLE, v1Lat DOUBLE, v2Lon DOUBLE, v2Lat DOUBLE, v3Lon DOUBLE, \
     v3Lat DOUBLE, ...) -> INTEGER",
    "scisql_s2PtInEllipse(lon DOUBLE, lat DOUBLE, centerLon DOUBLE, centerLat DOUBLE, semiMajorAxis DOUBLE, \
     semiMinorAxis DOUBLE, positionAngle DOUBLE) -> INTEGER",
];

/// The signatures of the sciSQL functions of LSST queries.
#[must_use]
pub fn scisql() -> Vec<FunctionSignature> {
    let signatures = SCISQL.iter().filter_map(|form| form.parse().ok());
    signatures
        .map(|signature: FunctionSignature| match scisql_unit(&signature.name) {
            Some(unit) => signature.with_unit(unit),
            None => signature,
        })
        .collect()
}

/// The unit of the numbers that a sciSQL function gives; `None` where it gives none or takes any.
#[must_use]
pub fn scisql_unit(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("scisql_")?;
    match name.strip_suffix("sigma").unwrap_or(name) {
        "fluxtoabmag" | "nanojanskytoabmag" | "dntoabmag" => Some("mag"),
        "abmagtonanojansky" => Some("nJy"),
        // sciSQL's fluxes are in erg/(s cm2 Hz).
        "abmagtoflux" | "dntoflux" => Some("erg/(s.cm**2.Hz)"),
        "angsep" => Some("deg"),
        _ => None,
    }
}

/// A function that a call can mean.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Callable<'o> {
    Standard(&'static Function),
    /// Declared by the service; several with one name differ in their number of arguments.
    Declared(&'o FunctionSignature),
}

/// Why a call means no function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unresolved {
    /// No function of this name.
    Unknown,
    /// Functions of this name take other numbers of arguments; their forms.
    WrongCount(Vec<String>),
}

/// The function that a call of `name` with `count` arguments means. The standard's functions cannot be redefined.
pub(crate) fn find<'o>(
    name: &str,
    count: usize,
    declared: &'o [FunctionSignature],
) -> Result<Callable<'o>, Unresolved> {
    if let Some(function) = standard(name) {
        return if function.takes(count) {
            Ok(Callable::Standard(function))
        } else {
            Err(Unresolved::WrongCount(vec![function.form.to_owned()]))
        };
    }
    let mut forms = Vec::new();
    for signature in declared.iter().filter(|signature| signature.name.eq_ignore_ascii_case(name)) {
        if signature.takes(count) {
            return Ok(Callable::Declared(signature));
        }
        forms.push(signature.to_string());
    }
    if forms.is_empty() { Err(Unresolved::Unknown) } else { Err(Unresolved::WrongCount(forms)) }
}

/// Whether a function of this name makes one value of many rows.
pub(crate) fn is_aggregate(name: &str, declared: &[FunctionSignature]) -> bool {
    match standard(name) {
        Some(function) => function.kind == Kind::Aggregate,
        None => declared.iter().any(|signature| signature.aggregate && signature.name.eq_ignore_ascii_case(name)),
    }
}

/// The names of functions near to one that does not exist.
pub(crate) fn near(name: &str, declared: &[FunctionSignature]) -> Vec<String> {
    let names = all().iter().map(|function| function.name).chain(declared.iter().map(|signature| &*signature.name));
    nearest::names(name, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scisql_form_parses() {
        let signatures = scisql();
        assert_eq!(signatures.len(), SCISQL.len());
        for (signature, form) in signatures.iter().zip(SCISQL) {
            assert_eq!(&signature.to_string(), form);
        }
    }

    #[test]
    fn counts_and_near_names() {
        let declared = scisql();
        assert!(matches!(find("scisql_s2ptincpoly", 14, &declared), Ok(Callable::Declared(_))));
        assert!(matches!(find("scisql_s2ptincpoly", 5, &declared), Err(Unresolved::WrongCount(_))));
        assert!(matches!(find("ceiling", 1, &[]), Ok(Callable::Standard(_))));
        assert_eq!(find("scisql_fluxToAbMagg", 1, &declared).err(), Some(Unresolved::Unknown));
        assert_eq!(near("scisql_fluxToAbMagg", &declared)[0], "scisql_fluxToAbMag");
    }
}
