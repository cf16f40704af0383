//! Functions of other dialects and services that have no counterpart with the same arguments: what to write instead.

/// Name in upper case and remedy, sorted by name.
#[rustfmt::skip]
const REMEDIES: &[(&str, &str)] = &[
    ("ANY_VALUE", "write MIN(x)"),
    ("ARRAY_AGG", "ADQL has no arrays; ask for the rows themselves"),
    ("BITAND", "write x & y"),
    ("BITOR", "write x | y"),
    ("BITXOR", "write x ^ y"),
    ("BIT_AND", "write x & y"),
    ("BIT_OR", "write x | y"),
    ("BIT_XOR", "write x ^ y"),
    ("CBRT", "write POWER(x, 1.0 / 3)"),
    ("CONVERT", "write CAST(x AS type)"),
    ("CUBE", "write one query for each grouping, with UNION ALL between them"),
    ("CURDATE", "write the day as a text, CAST('2025-01-01' AS TIMESTAMP)"),
    ("DATEADD", "add days to a date given as MJD, or compare with a timestamp written out"),
    ("DATEDIFF", "subtract two dates given as MJD, or compare with a timestamp written out"),
    ("DATEPART", "write EXTRACT(part FROM timestamp)"),
    ("DATE_ADD", "add days to a date given as MJD, or compare with a timestamp written out"),
    ("DATE_FORMAT", "write CAST(timestamp AS VARCHAR)"),
    ("DATE_PART", "write EXTRACT(part FROM timestamp)"),
    ("DATE_SUB", "subtract days from a date given as MJD, or compare with a timestamp written out"),
    ("DATE_TRUNC", "write EXTRACT(part FROM timestamp) for each part"),
    ("DAY", "write EXTRACT(DAY FROM timestamp)"),
    ("DECODE", "write CASE x WHEN .. THEN .. END"),
    ("DENSERANK", "write DENSE_RANK() OVER (..)"),
    ("FGETNEARBYOBJEQ", "write CONTAINS(POINT(ra, dec), CIRCLE(ra0, dec0, radius)) = 1, in degrees"),
    ("FGETOBJFROMRECTEQ", "write CONTAINS(POINT(ra, dec), BOX(ra0, dec0, width, height)) = 1"),
    ("FORMAT", "write CAST(x AS VARCHAR)"),
    ("GROUPING", "write one query for each grouping, with UNION ALL between them"),
    ("GROUP_CONCAT", "write IVO_STRING_AGG(text, delimiter) where the service has it"),
    ("LISTAGG", "write IVO_STRING_AGG(text, delimiter) where the service has it"),
    ("MODE", "count with GROUP BY, and take the first of ORDER BY COUNT(*) DESC"),
    ("MONTH", "write EXTRACT(MONTH FROM timestamp)"),
    ("Q3C_ELLIPSE_QUERY", "write scisql_s2PtInEllipse(lon, lat, lon0, lat0, a, b, angle) = 1"),
    ("Q3C_POLY_QUERY", "write CONTAINS(POINT(ra, dec), POLYGON(..)) = 1"),
    ("REGEXP_LIKE", "LIKE knows % for any text and _ for any character"),
    ("REGEXP_MATCH", "LIKE knows % for any text and _ for any character"),
    ("REGEXP_REPLACE", "REPLACE(text, from, to) takes plain texts"),
    ("RIGHT", "write SUBSTRING(text, CHAR_LENGTH(text) - length + 1)"),
    ("ROLLUP", "write one query for each grouping, with UNION ALL between them"),
    ("SCIRCLE", "write CIRCLE(lon, lat, radius), in degrees"),
    ("SPLIT_PART", "write SUBSTRING(text, start, length)"),
    ("SPOINT", "write POINT(lon, lat), in degrees"),
    ("STR", "write CAST(x AS VARCHAR)"),
    ("STRFTIME", "write CAST(timestamp AS VARCHAR)"),
    ("STRING_AGG", "write IVO_STRING_AGG(text, delimiter) where the service has it"),
    ("STR_TO_DATE", "write CAST('2025-01-01T12:00:00' AS TIMESTAMP)"),
    ("TIMESTAMPDIFF", "subtract two dates given as MJD, or compare with a timestamp written out"),
    ("TO_CHAR", "write CAST(x AS VARCHAR)"),
    ("TO_DATE", "write CAST('2025-01-01T12:00:00' AS TIMESTAMP)"),
    ("TO_NUMBER", "write CAST(text AS DOUBLE PRECISION)"),
    ("TO_TIMESTAMP", "write CAST('2025-01-01T12:00:00' AS TIMESTAMP)"),
    ("YEAR", "write EXTRACT(YEAR FROM timestamp)"),
];

/// What to write instead of a function that only others have.
pub(super) fn remedy(function: &str) -> Option<&'static str> {
    let upper = function.to_ascii_uppercase();
    let index = REMEDIES.binary_search_by(|(name, _)| (*name).cmp(&upper)).ok()?;
    REMEDIES.get(index).map(|(_, remedy)| *remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_by_name() {
        assert!(REMEDIES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(remedy("dateDiff").is_some() && remedy("ABS").is_none());
    }
}
