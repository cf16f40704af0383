//! The names that queries of the tests, the benches and the fuzz targets can use.

use qserv_adql::{NameList, TypeClass};

/// A small world with LSST's letter cases.
pub(crate) fn world() -> NameList {
    use TypeClass::{Boolean, Float, Integer, Other, Point, Text, Timestamp};
    let mut names = NameList::default();
    let object = [
        ("objectId", Integer),
        ("coord_ra", Float),
        ("coord_dec", Float),
        ("tract", Integer),
        ("r_psfFlux", Float),
        ("i_psfFlux", Float),
        ("detect_isPrimary", Boolean),
        ("refBand", Text),
        ("shape", Other),
    ];
    names.add_table("dp1", "Object", object);
    names.add_table(
        "dp1",
        "Source",
        [
            ("sourceId", Integer),
            ("objectId", Integer),
            ("visit", Integer),
            ("ra", Float),
            ("dec", Float),
            ("psfFlux", Float),
            ("band", Text),
            ("flag", Boolean),
        ],
    );
    names.add_table("dp1", "Visit", [("visit", Integer), ("band", Text), ("obsStart", Timestamp), ("pointing", Point)]);
    names.add_table("pt11", "Object", [("objectId", Integer), ("ra_PS", Float), ("decl_PS", Float), ("size", Integer)]);
    names.add_table("tap_schema", "tables", [("schema_name", Text), ("table_name", Text)]);
    names.set_key("dp1", "Object", "objectId");
    names.set_key("dp1", "Source", "sourceId");
    names.set_key("dp1", "Visit", "visit");
    names.set_position("dp1", "Object", ("coord_ra", "coord_dec"));
    names.set_position("dp1", "Source", ("ra", "dec"));
    names.set_director("dp1", "Source", "Object");
    names.set_key("pt11", "Object", "objectId");
    names.set_position("pt11", "Object", ("ra_PS", "decl_PS"));
    names.add_table("pt11", "ForcedSource", [("objectId", Integer), ("psFlux", Float)]);
    names.set_director("pt11", "ForcedSource", "Object");
    names.add_table("odd", "say \"hi\"", [("a \"b\"", Integer)]);
    names.add_table("tap_schema", "columns", [("column_name", Text), ("size", Integer)]);
    names.add_table("odd", "Twins", [("id", Integer), ("Id", Integer), ("odd name", Text)]);
    names
}
