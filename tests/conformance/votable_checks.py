"""astropy's VOTable reader, at its strictest, over whole documents."""

import functools
import io
import warnings

import astropy.io.votable
from astropy.io.votable.exceptions import W03

from values import plain

DOCUMENTS = {
    "rows with NULLs": ("SELECT objectId, parentObjectId, u_psfFlux, parallax, refBand FROM demo.Object", {}),
    "NULL in every type": (
        """SELECT f.filterId, v.visit, v.night, v.airmass, v.band, v.ra, v.obsStart, o.detect_isPrimary, s.detector
           FROM demo.Filter AS f LEFT JOIN demo.Visit AS v ON v.visit = f.filterId
           LEFT JOIN demo.Object AS o ON o.objectId = f.filterId LEFT JOIN demo.Source AS s ON s.sourceId = f.filterId""",
        {},
    ),
    "text that XML would read": ("SELECT filterId, '<a b=\"c\">&amp; ]]> ''' || band || '''' AS t FROM demo.Filter", {}),
    "text beyond ASCII": ("SELECT filterId, 'α Cen 星 𝄞 ' || band AS t FROM demo.Filter", {}),
    "points": ("SELECT objectId, POINT(coord_ra, coord_dec) AS p FROM demo.Object", {}),
    "timestamps": ("SELECT visit, obsStart FROM demo.Visit", {}),
    "no row": ("SELECT * FROM demo.Object WHERE objectId < 0", {}),
    "MAXREC=0": ("SELECT * FROM demo.Object", {"MAXREC": 0}),
    "an overflow": ("SELECT * FROM demo.Object", {"MAXREC": 10}),
    "aggregates": ("SELECT refBand, COUNT(*) AS n, AVG(ebv) AS mean FROM demo.Object GROUP BY refBand", {}),
    "names that are no identifiers": ('SELECT filterId AS "a <b> & \'c\'", band AS "2nd" FROM demo.Filter', {}),
    "TAP_SCHEMA": ("SELECT * FROM tap_schema.columns", {}),
}
FORMATS = ("votable/b2", "votable/td", "votable/b")


def checks(sky):
    """Every document in every serialization, and all of them the same table."""
    for name, (query, parameters) in DOCUMENTS.items():
        yield f"{name}, valid and the same in all serializations", functools.partial(assert_document, query, parameters)


def assert_document(query, parameters, sky):
    tables = []
    for response_format in FORMATS:
        document = read(sky.fetch(query, FORMAT=response_format, **parameters)[0])
        assert status(document)[0] == "OK", response_format
        tables.append(document.get_first_table().to_table(use_names_over_ids=True))
    first, *others = tables
    if "MAXREC" in parameters:
        # A limit without an order may keep other rows each time.
        assert {len(table) for table in tables} == {parameters["MAXREC"]}
        assert all(table.colnames == first.colnames for table in others)
        return
    rows = [sorted(repr([cell(value) for value in row]) for row in table.iterrows()) for table in tables]
    for other_rows, other, response_format in zip(rows[1:], others, FORMATS[1:], strict=True):
        assert first.colnames == other.colnames, (first.colnames, other.colnames)
        assert rows[0] == other_rows, next(
            (response_format, *pair) for pair in zip(rows[0], other_rows, strict=True) if pair[0] != pair[1]
        )


def cell(value):
    """A cell as plain Python, NaN like NULL: BINARY has no other NULL for numbers with a fraction."""
    if getattr(value, "shape", ()):
        return [cell(one) for one in value]
    value = plain(value)
    return None if value != value else value


def read(body):
    """The document, read by rules that make every deviation an error, and every warning too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # It has to make an ID of its own where a column's name is none: that is no fault.
        warnings.simplefilter("ignore", W03)
        return astropy.io.votable.parse(io.BytesIO(body), verify="exception")


def status(document):
    """The values of QUERY_STATUS, first the one before the table."""
    resource = document.resources[0]
    assert resource.type == "results"
    infos = list(resource.infos) + [info for table in resource.tables for info in table.infos]
    return [info.value for info in infos if info.name == "QUERY_STATUS"]


def check_text(sky):
    """markup in text comes back as it was"""
    for response_format in FORMATS:
        body, _ = sky.fetch("SELECT '<a b=\"c\">&amp; ]]> 星' AS t FROM demo.Filter", FORMAT=response_format)
        table = read(body).get_first_table().to_table()
        assert [str(text) for text in table["t"]] == ['<a b="c">&amp; ]]> 星'] * 6, (response_format, table)


def check_overflow(sky):
    """an overflow is told behind the rows, and only then"""
    for response_format in FORMATS:
        whole = sky.fetch("SELECT filterId FROM demo.Filter", FORMAT=response_format, MAXREC=6)[0]
        assert status(read(whole)) == ["OK"]
        cut = sky.fetch("SELECT filterId FROM demo.Filter", FORMAT=response_format, MAXREC=5)[0]
        assert status(read(cut)) == ["OK", "OVERFLOW"]
        assert cut.rindex(b"OVERFLOW") > cut.rindex(b"</TABLE>")


def check_metadata(sky):
    """the fields of a MAXREC=0 answer have units, UCDs and types"""
    fields = {field.name: field for field in read(sky.fetch("SELECT * FROM demo.Object", MAXREC=0)[0]).get_first_table().fields}
    assert list(fields) == sky.rows("Object").column_names
    assert (str(fields["coord_ra"].unit), fields["coord_ra"].ucd) == ("deg", "pos.eq.ra;meta.main")
    assert str(fields["r_psfFlux"].unit) == "nJy" and fields["r_psfFlux"].datatype == "float"


def check_error_document(sky):
    """an error document is a valid VOTable"""
    body, content_type = sky.fetch("SELECT '<&>' FROM nowhere.\"<&>\"")
    assert status(read(body))[0] == "ERROR" and "xml" in content_type, body
