//! The table of features.

use super::Feature;
use super::FeatureGroup::{
    self, CommonTables, Conditions, Core, Extension, Geometry, Liberty, Offset, Refused, Sets, Text, Types, Units,
    UserFunctions,
};

const fn feature(group: FeatureGroup, name: &'static str, description: &'static str, example: &'static str) -> Feature {
    Feature { group, name, description, example }
}

#[rustfmt::skip]
pub(super) static FEATURES: &[Feature] = &[
    feature(Core, "SELECT", "values and columns, with or without AS", "SELECT objectId, r_psfFlux / 1000 AS flux FROM dp1.Object"),
    feature(Core, "ALL, DISTINCT", "all rows, or each row once", "SELECT DISTINCT tract FROM dp1.Object"),
    feature(Core, "TOP", "at most so many rows", "SELECT TOP 5 objectId FROM dp1.Object ORDER BY objectId"),
    feature(Core, "*", "all columns, or all of one table", "SELECT o.*, s.visit FROM dp1.Object AS o JOIN dp1.Source AS s ON o.objectId = s.objectId"),
    feature(Core, "FROM", "tables with or without an alias", "SELECT o.objectId FROM dp1.Object o, dp1.Source AS s WHERE o.objectId = s.objectId"),
    feature(Core, "derived tables", "a query in parentheses, with an alias", "SELECT x.tract FROM (SELECT tract FROM dp1.Object) AS x"),
    feature(Core, "JOIN", "INNER, LEFT, RIGHT and FULL, with ON or USING", "SELECT o.objectId, visit FROM dp1.Object AS o LEFT OUTER JOIN dp1.Source AS s USING (objectId)"),
    feature(Core, "NATURAL JOIN", "on all columns that both sides have", "SELECT visit FROM dp1.Source NATURAL JOIN dp1.Visit"),
    feature(Core, "nested joins", "joins in parentheses", "SELECT s.sourceId FROM dp1.Object AS o JOIN (dp1.Source AS s JOIN dp1.Visit AS v ON s.visit = v.visit) ON o.objectId = s.objectId"),
    feature(Core, "WHERE", "AND, OR, NOT", "SELECT objectId FROM dp1.Object WHERE tract = 5 AND NOT (coord_ra < 10 OR coord_dec > 0)"),
    feature(Core, "comparisons", "=, <>, !=, <, <=, >, >=", "SELECT objectId FROM dp1.Object WHERE tract >= 5 AND tract != 7"),
    feature(Core, "BETWEEN", "both ends belong to the range", "SELECT objectId FROM dp1.Object WHERE coord_ra BETWEEN 10 AND 20"),
    feature(Core, "IN", "a list of values or a query", "SELECT objectId FROM dp1.Object WHERE tract IN (1, 2) OR objectId IN (SELECT objectId FROM dp1.Source)"),
    feature(Core, "EXISTS", "whether a query has rows; it may name columns of the query around it", "SELECT o.objectId FROM dp1.Object AS o WHERE EXISTS (SELECT * FROM dp1.Source AS s WHERE s.objectId = o.objectId)"),
    feature(Core, "LIKE", "`%` is any text, `_` any character", "SELECT objectId FROM dp1.Object WHERE refBand LIKE 'r%'"),
    feature(Core, "IS NULL", "with or without NOT", "SELECT objectId FROM dp1.Object WHERE refBand IS NOT NULL"),
    feature(Core, "GROUP BY", "columns, expressions and positions", "SELECT tract, COUNT(*) FROM dp1.Object GROUP BY tract"),
    feature(Core, "HAVING", "a condition on groups", "SELECT tract FROM dp1.Object GROUP BY tract HAVING COUNT(*) > 10"),
    feature(Core, "ORDER BY", "columns, expressions, aliases and positions; ASC or DESC", "SELECT objectId, coord_ra AS a FROM dp1.Object ORDER BY a DESC, ABS(coord_dec), 1"),
    feature(Core, "arithmetic", "+, -, *, /; integers divide to an integer", "SELECT -coord_ra + 2 * (coord_dec - 1) / 3 FROM dp1.Object"),
    feature(Core, "||", "texts joined", "SELECT refBand || '-band' FROM dp1.Object"),
    feature(Core, "numbers", "with a point, an exponent, or neither", "SELECT objectId FROM dp1.Object WHERE r_psfFlux > 1.5e3 AND coord_ra > .5"),
    feature(Core, "texts", "between single quotes, a quote in it doubled", "SELECT 'it''s' FROM dp1.Object"),
    feature(Core, "names", "in any letter case; between double quotes in their own, with any character", "SELECT OBJECTID, \"coord_ra\" FROM DP1.object"),
    feature(Core, "comments", "from -- to the end of the line", "SELECT objectId -- the key\nFROM dp1.Object"),

    feature(Geometry, "AREA", "in square degrees", "SELECT AREA(CIRCLE(10, 20, 5)) FROM dp1.Visit"),
    feature(Geometry, "BOX", "a cross of arms around a centre, deprecated by the standard", "SELECT visit FROM dp1.Visit WHERE 1 = CONTAINS(pointing, BOX(10, 20, 1, 2))"),
    feature(Geometry, "CENTROID", "the centre of a shape", "SELECT CENTROID(POLYGON(10, 10, 20, 10, 20, 20)) FROM dp1.Visit"),
    feature(Geometry, "CIRCLE", "a centre, as two numbers or a point, and a radius", "SELECT objectId FROM dp1.Object WHERE 1 = CONTAINS(POINT(coord_ra, coord_dec), CIRCLE(POINT(10, 20), 0.5))"),
    feature(Geometry, "CONTAINS", "1 if the first shape is within the second, its edge included, else 0", "SELECT objectId FROM dp1.Object WHERE CONTAINS(POINT(coord_ra, coord_dec), CIRCLE(10, 20, 0.5)) = 1"),
    feature(Geometry, "COORD1", "the longitude of a point", "SELECT COORD1(pointing) FROM dp1.Visit"),
    feature(Geometry, "COORD2", "the latitude of a point", "SELECT COORD2(pointing) FROM dp1.Visit"),
    feature(Geometry, "COORDSYS", "the coordinate system, deprecated by the standard", "SELECT COORDSYS(pointing) FROM dp1.Visit"),
    feature(Geometry, "DISTANCE", "of two points or of four numbers, in degrees", "SELECT objectId FROM dp1.Object WHERE DISTANCE(coord_ra, coord_dec, 10, 20) < 0.1"),
    feature(Geometry, "INTERSECTS", "1 if the shapes have a point in common, else 0", "SELECT visit FROM dp1.Visit WHERE 1 = INTERSECTS(CIRCLE(pointing, 1.75), POLYGON(10, 10, 20, 10, 20, 20))"),
    feature(Geometry, "POINT", "a longitude and a latitude in degrees; a coordinate system in front is deprecated", "SELECT POINT(coord_ra, coord_dec), POINT('ICRS', 10, 20) FROM dp1.Object"),
    feature(Geometry, "POLYGON", "three vertices or more, as pairs of numbers or as points", "SELECT objectId FROM dp1.Object WHERE 1 = CONTAINS(POINT(coord_ra, coord_dec), POLYGON(10, 10, 20, 10, 20, 20))"),
    feature(Geometry, "REGION", "a shape in STC-S", "SELECT visit FROM dp1.Visit WHERE 1 = CONTAINS(pointing, REGION('CIRCLE ICRS 10 20 1'))"),

    feature(Text, "LOWER", "the text in lower case", "SELECT LOWER(refBand) FROM dp1.Object"),
    feature(Text, "UPPER", "the text in upper case", "SELECT UPPER(refBand) FROM dp1.Object"),
    feature(Text, "ILIKE", "LIKE in any letter case", "SELECT objectId FROM dp1.Object WHERE refBand ILIKE 'R'"),

    feature(CommonTables, "WITH", "queries with names in front of the whole query", "WITH bright AS (SELECT objectId FROM dp1.Object WHERE r_psfFlux > 1000) SELECT COUNT(*) FROM bright"),

    feature(Sets, "UNION", "rows of both, each once; of ALL, as often as they are", "SELECT visit FROM dp1.Source UNION ALL SELECT visit FROM dp1.Visit"),
    feature(Sets, "EXCEPT", "rows of the first that the second has not", "SELECT visit FROM dp1.Visit EXCEPT SELECT visit FROM dp1.Source"),
    feature(Sets, "INTERSECT", "rows that both have; it binds tighter than the other two", "SELECT visit FROM dp1.Visit INTERSECT SELECT visit FROM dp1.Source ORDER BY visit"),

    feature(Types, "CAST", "to SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, CHAR, VARCHAR, TIMESTAMP, POINT, CIRCLE and POLYGON", "SELECT CAST(objectId AS VARCHAR(20)), CAST(r_psfFlux AS REAL) FROM dp1.Object"),

    feature(Conditions, "COALESCE", "the first argument that is not NULL", "SELECT COALESCE(refBand, 'none') FROM dp1.Object"),

    feature(Units, "IN_UNIT", "a value in another unit, which is known before the query runs", "SELECT IN_UNIT(DISTANCE(coord_ra, coord_dec, 10, 20), 'arcsec') FROM dp1.Object"),

    feature(Offset, "OFFSET", "leaves out so many rows, behind ORDER BY and before TOP", "SELECT TOP 10 objectId FROM dp1.Object ORDER BY objectId OFFSET 20"),

    feature(UserFunctions, "name(...)", "what the service declares", "SELECT scisql_nanojanskyToAbMag(r_psfFlux) FROM dp1.Object"),

    feature(Extension, "CASE", "both forms", "SELECT CASE WHEN r_psfFlux > 0 THEN 'detected' ELSE 'not' END, CASE tract WHEN 1 THEN 'one' END FROM dp1.Object"),
    feature(Extension, "scalar sub-queries", "a query with one value, correlated or not", "SELECT o.objectId, (SELECT COUNT(*) FROM dp1.Source AS s WHERE s.objectId = o.objectId) AS n FROM dp1.Object AS o"),
    feature(Extension, "window functions", "aggregates, ranks and neighbours OVER rows of the answer", "SELECT sourceId, RANK() OVER (PARTITION BY objectId ORDER BY psfFlux DESC) FROM dp1.Source"),
    feature(Extension, "frames", "ROWS, RANGE and GROUPS", "SELECT AVG(psfFlux) OVER (ORDER BY sourceId ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) FROM dp1.Source"),
    feature(Extension, "LIMIT", "TOP in other words", "SELECT objectId FROM dp1.Object ORDER BY objectId LIMIT 10 OFFSET 20"),
    feature(Extension, "CROSS JOIN", "every pair of rows", "SELECT o.objectId FROM dp1.Object AS o CROSS JOIN dp1.Visit AS v"),
    feature(Extension, "%, DIV", "remainder and whole quotient", "SELECT objectId % 10, objectId DIV 10 FROM dp1.Object"),
    feature(Extension, "&, |, ^, ~, <<, >>", "bits of integers", "SELECT objectId & 255, objectId >> 8, ~tract FROM dp1.Object"),
    feature(Extension, "TRUE, FALSE", "boolean values and columns, also compared with 1 and 'True'", "SELECT objectId FROM dp1.Object WHERE detect_isPrimary = TRUE"),
    feature(Extension, "IS TRUE", "IS [NOT] TRUE, FALSE and UNKNOWN", "SELECT objectId FROM dp1.Object WHERE (r_psfFlux > 5) IS NOT UNKNOWN"),
    feature(Extension, "IS DISTINCT FROM", "a comparison that takes NULL for a value; `<=>` is its negation", "SELECT objectId FROM dp1.Object WHERE refBand IS DISTINCT FROM 'r' OR tract <=> 5"),
    feature(Extension, "IS NULL of expressions", "the standard has columns only", "SELECT objectId FROM dp1.Object WHERE r_psfFlux / tract IS NULL"),
    feature(Extension, "more types", "CAST to DECIMAL, FLOAT, DATE, BOOLEAN and TEXT", "SELECT CAST(r_psfFlux AS DECIMAL(10, 2)) FROM dp1.Object"),
    feature(Extension, "statistics", "STDDEV, VARIANCE, MEDIAN, CORR and others", "SELECT STDDEV(psfFlux), MEDIAN(psfFlux) FROM dp1.Source"),
    feature(Extension, "EXTRACT", "a field of a timestamp", "SELECT EXTRACT(YEAR FROM obsStart) FROM dp1.Visit"),
    feature(Extension, "SUBSTRING", "with FROM and FOR, or with commas", "SELECT SUBSTRING(band FROM 1 FOR 1) FROM dp1.Visit"),
    feature(Extension, "TRIM", "LEADING, TRAILING or BOTH", "SELECT TRIM(BOTH '_' FROM band) FROM dp1.Visit"),
    feature(Extension, "POSITION", "where a text begins in another", "SELECT POSITION('r' IN band) FROM dp1.Visit"),
    feature(Extension, "MOC", "a coverage map as a shape", "SELECT objectId FROM dp1.Object WHERE 1 = CONTAINS(POINT(coord_ra, coord_dec), MOC('6/1-10'))"),
    feature(Extension, "repeated names", "two columns of the answer may have the same name", "SELECT o.objectId, s.objectId FROM dp1.Object AS o JOIN dp1.Source AS s ON o.objectId = s.objectId"),

    feature(Liberty, "reserved words as names", "`AS distance`, `AS count`", "SELECT coord_ra AS distance FROM dp1.Object"),
    feature(Liberty, "aliases in conditions", "an alias of the select list in WHERE", "SELECT r_psfFlux - i_psfFlux AS color FROM dp1.Object WHERE color > 1"),
    feature(Liberty, "quoted names in another letter case", "where one thing only is meant", "SELECT \"OBJECTID\" FROM dp1.Object"),
    feature(Liberty, "trailing semicolon", "behind the query", "SELECT objectId FROM dp1.Object;"),
    feature(Liberty, "==", "for =", "SELECT objectId FROM dp1.Object WHERE tract == 5"),
    feature(Liberty, "TOP before DISTINCT", "in the wrong order", "SELECT TOP 5 DISTINCT tract FROM dp1.Object"),
    feature(Liberty, "/* */", "comments of other dialects", "SELECT objectId /* the key */ FROM dp1.Object"),
    feature(Liberty, "* beside columns", "`SELECT *, x`", "SELECT *, r_psfFlux / 1000 AS f FROM dp1.Object"),
    feature(Liberty, "no FROM", "a row of constants", "SELECT 1 AS one"),
    feature(Liberty, "derived tables without an alias", "a query in FROM", "SELECT n FROM (SELECT COUNT(*) AS n FROM dp1.Object)"),
    feature(Liberty, "joins without a condition", "a JOIN without ON or USING is a CROSS JOIN", "SELECT v.visit FROM dp1.Object AS o JOIN dp1.Visit AS v"),
    feature(Liberty, "a table in parentheses", "in FROM", "SELECT objectId FROM (dp1.Object)"),
    feature(Liberty, "WITH in a sub-query", "the standard has it in front of the whole query only", "SELECT n FROM (WITH x AS (SELECT tract AS n FROM dp1.Object) SELECT n FROM x) AS y"),
    feature(Liberty, "WITH and a list of columns", "names in front of the query", "WITH x (n) AS (SELECT tract FROM dp1.Object) SELECT n FROM x"),
    feature(Liberty, "UNION DISTINCT", "which UNION is anyhow", "SELECT visit FROM dp1.Visit UNION DISTINCT SELECT visit FROM dp1.Source"),
    feature(Liberty, "NULLS FIRST, NULLS LAST", "in ORDER BY", "SELECT objectId FROM dp1.Object ORDER BY refBand NULLS FIRST"),
    feature(Liberty, "TIMESTAMP '...'", "for CAST('...' AS TIMESTAMP)", "SELECT visit FROM dp1.Visit WHERE obsStart > TIMESTAMP '2025-01-01'"),
    feature(Liberty, "LIKE with ESCAPE", "a character that makes the next one plain", "SELECT visit FROM dp1.Visit WHERE band LIKE '10!%' ESCAPE '!'"),
    feature(Liberty, "DOUBLE", "for DOUBLE PRECISION", "SELECT CAST(tract AS DOUBLE) FROM dp1.Object"),

    feature(Refused, "other statements", "queries only", "DROP TABLE dp1.Object"),
    feature(Refused, "recursive WITH", "not part of ADQL", "WITH RECURSIVE x AS (SELECT 1 AS n FROM dp1.Visit) SELECT n FROM x"),
    feature(Refused, "FETCH", "write TOP", "SELECT objectId FROM dp1.Object FETCH FIRST 5 ROWS ONLY"),
    feature(Refused, "DISTINCT ON", "write a window function", "SELECT DISTINCT ON (tract) objectId FROM dp1.Object"),
    feature(Refused, "ANY, SOME, ALL", "write IN or EXISTS", "SELECT objectId FROM dp1.Object WHERE tract > ALL (SELECT visit FROM dp1.Visit)"),
    feature(Refused, "rows as values", "compare column by column", "SELECT objectId FROM dp1.Object WHERE (tract, objectId) IN (SELECT visit, objectId FROM dp1.Source)"),
    feature(Refused, "FILTER", "write CASE inside the aggregate", "SELECT COUNT(*) FILTER (WHERE tract = 1) FROM dp1.Object"),
    feature(Refused, "named windows", "write OVER ( .. )", "SELECT SUM(psfFlux) OVER w FROM dp1.Source WINDOW w AS (ORDER BY sourceId)"),
    feature(Refused, "LATERAL", "write a join", "SELECT o.objectId FROM dp1.Object AS o, LATERAL (SELECT 1 AS n FROM dp1.Visit) AS x"),
    feature(Refused, "functions in FROM", "tables and queries only", "SELECT n FROM generate_series(1, 5)"),
];
