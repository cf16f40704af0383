//! What of ADQL there is, as data: for a service's capabilities, and for the page that people read.

mod functions;
mod table;

pub use functions::{StandardFunction, standard_functions};

/// The part of the language that a feature belongs to, which is also its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FeatureGroup {
    /// What every ADQL service has.
    Core,
    /// Geometry.
    Geometry,
    /// LOWER, UPPER, ILIKE.
    Text,
    /// WITH.
    CommonTables,
    /// UNION, EXCEPT, INTERSECT.
    Sets,
    /// CAST.
    Types,
    /// COALESCE.
    Conditions,
    /// IN_UNIT.
    Units,
    /// OFFSET.
    Offset,
    /// Functions that the service declares.
    UserFunctions,
    /// Beyond the standard, where the standard does not call the query invalid.
    Extension,
    /// What the standard refuses and the service takes, with a warning; a strict check refuses it.
    Liberty,
    /// What other dialects have and this one does not, with a word on what to write instead.
    Refused,
}

impl FeatureGroup {
    /// All groups, in the order of the standard.
    pub const ALL: [Self; 13] = [
        Self::Core,
        Self::Geometry,
        Self::Text,
        Self::CommonTables,
        Self::Sets,
        Self::Types,
        Self::Conditions,
        Self::Units,
        Self::Offset,
        Self::UserFunctions,
        Self::Extension,
        Self::Liberty,
        Self::Refused,
    ];

    /// The identifier under which TAPRegExt declares an optional feature of the standard, in lower case as ADQL 2.1 asks for.
    #[must_use]
    pub fn ivoid(self) -> Option<&'static str> {
        Some(match self {
            Self::Geometry => "ivo://ivoa.net/std/tapregext#features-adqlgeo",
            Self::Text => "ivo://ivoa.net/std/tapregext#features-adql-string",
            Self::CommonTables => "ivo://ivoa.net/std/tapregext#features-adql-common-table",
            Self::Sets => "ivo://ivoa.net/std/tapregext#features-adql-sets",
            Self::Types => "ivo://ivoa.net/std/tapregext#features-adql-type",
            Self::Conditions => "ivo://ivoa.net/std/tapregext#features-adql-conditional",
            Self::Units => "ivo://ivoa.net/std/tapregext#features-adql-unit",
            Self::Offset => "ivo://ivoa.net/std/tapregext#features-adql-offset",
            Self::UserFunctions => "ivo://ivoa.net/std/tapregext#features-udf",
            Self::Core | Self::Extension | Self::Liberty | Self::Refused => return None,
        })
    }

    /// What people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Core => "The language",
            Self::Geometry => "Geometry",
            Self::Text => "Text",
            Self::CommonTables => "Common table expressions",
            Self::Sets => "Set operations",
            Self::Types => "Types",
            Self::Conditions => "Conditional functions",
            Self::Units => "Units",
            Self::Offset => "Cardinality",
            Self::UserFunctions => "User-defined functions",
            Self::Extension => "Beyond the standard",
            Self::Liberty => "Liberties of the service",
            Self::Refused => "Refused",
        }
    }

    /// The status of its features, in a few words.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Self::Core => "standard, mandatory",
            Self::Extension => "extension, declared",
            Self::Liberty => "taken by the service with a warning, refused by the strict check",
            Self::Refused => "refused",
            _ => "standard, optional, declared",
        }
    }
}

/// One thing that the language has, or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Feature {
    /// Where it belongs.
    pub group: FeatureGroup,
    /// Its name; in a group with an [`ivoid`](FeatureGroup::ivoid), the form that is declared.
    pub name: &'static str,
    /// What it does, in a sentence or less, without a full stop.
    pub description: &'static str,
    /// A query that has it, over the tables of this crate's tests.
    pub example: &'static str,
}

/// All features, grouped in the order of [`FeatureGroup::ALL`]. The functions of a service are not among them:
/// [`Options::functions`](crate::Options::functions) holds their forms.
#[must_use]
pub fn features() -> &'static [Feature] {
    table::FEATURES
}
