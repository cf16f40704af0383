"""Every format by a reader that others wrote: astropy for FITS and VOParquet, pyarrow for Parquet, Arrow, CSV and TSV, and STILTS."""

import functools
import io
import json
import subprocess
import tempfile

import astropy.io.fits
import astropy.table
import numpy
import pyarrow
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
import requests
from astropy.io.votable.dataorigin import extract_data_origin

import votable_checks
from sky import KEYS, TABLES
from stilts_checks import stilts
from values import assert_same_rows, moment_text, plain

CONTENT_TYPES = {
    "csv": "text/csv;header=present",
    "tsv": "text/tab-separated-values",
    "fits": "application/fits",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}


def checks(sky):
    """Every table and every document of votable_checks in every format, and each document past STILTS' validator."""
    for table in TABLES:
        for response_format in CONTENT_TYPES:
            yield (
                f"all rows of {table} as {response_format} equal those of its files",
                functools.partial(assert_whole_table, table, response_format),
            )
    for name, (query, parameters) in votable_checks.DOCUMENTS.items():
        if "MAXREC" not in parameters:
            yield f"{name}, the same in all formats", functools.partial(assert_same_in_all, query)
        yield f"votlint finds nothing in {name}", functools.partial(assert_votlint, query, parameters)


def assert_whole_table(table, response_format, sky):
    body, content_type = sky.fetch(f"SELECT * FROM demo.{table}", FORMAT=response_format)
    assert content_type == CONTENT_TYPES[response_format], content_type
    true_rows = sky.rows(table)
    if response_format == "fits":
        rows = read_fits(body)
        rows.sort(KEYS[table])
        assert_same_rows(rows, true_rows, nulls_in_numbers=False)
        return
    if response_format == "json":
        rows = read_json(body)
    else:
        rows = ARROW_READERS[response_format](body, true_rows.schema)
    rows = rows.cast(true_rows.schema).sort_by(KEYS[table])
    if response_format == "json":
        true_rows = pyarrow.table([nan_is_null(column) for column in true_rows.columns], schema=true_rows.schema)
    for name in true_rows.column_names:
        assert rows[name].combine_chunks().equals(true_rows[name].combine_chunks()), name


def nan_is_null(column):
    if not pyarrow.types.is_floating(column.type):
        return column
    return pyarrow.compute.if_else(pyarrow.compute.is_finite(column), column, pyarrow.scalar(None, column.type))


def read_fits(body):
    """The table as astropy has it, its text as text."""
    rows = astropy.table.Table.read(io.BytesIO(body), format="fits", hdu=1, strip_spaces=False)
    rows.convert_bytestring_to_unicode()
    return rows


def read_json(body):
    """The table as Arrow has it; the types are those that the metadata name."""
    document = json.loads(body)
    assert list(document) == ["metadata", "data", "query_status"]
    assert all(len(row) == len(document["metadata"]) for row in document["data"])
    columns = {}
    for index, described in enumerate(document["metadata"]):
        values = [row[index] for row in document["data"]]
        if described.get("xtype") == "timestamp":
            text = pyarrow.array(values, pyarrow.string())
            columns[described["name"]] = text.cast(pyarrow.timestamp("us"))
        else:
            columns[described["name"]] = pyarrow.array(values, JSON_TYPES.get(described["datatype"]))
    return pyarrow.table(columns)


JSON_TYPES = {
    "boolean": pyarrow.bool_(),
    "short": pyarrow.int16(),
    "int": pyarrow.int32(),
    "long": pyarrow.int64(),
    "float": pyarrow.float32(),
    "char": pyarrow.string(),
    "unicodeChar": pyarrow.string(),
}


def read_delimited(delimiter, body, schema=None):
    return pyarrow.csv.read_csv(
        io.BytesIO(body),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


ARROW_READERS = {
    "csv": functools.partial(read_delimited, ","),
    "tsv": functools.partial(read_delimited, "\t"),
    "parquet": lambda body, _=None: pyarrow.parquet.read_table(io.BytesIO(body)),
    "arrow": lambda body, _=None: pyarrow.ipc.open_stream(body).read_all(),
}


def assert_same_in_all(query, sky):
    """What astropy reads from BINARY2, and what every other reader reads from its format."""
    first = votable_checks.read(sky.fetch(query, FORMAT="votable/b2")[0]).get_first_table().to_table(use_names_over_ids=True)
    expected = [[cell(value) for value in row] for row in first.iterrows()]
    for response_format in ("fits", "json", "parquet", "arrow"):
        body, _ = sky.fetch(query, FORMAT=response_format)
        if response_format == "fits":
            table = read_fits(body)
            names, rows = table.colnames, [[cell(value) for value in row] for row in table.iterrows()]
        elif response_format == "json":
            document = json.loads(body)
            names = [described["name"] for described in document["metadata"]]
            rows = [[cell(value) for value in row] for row in document["data"]]
        else:
            table = ARROW_READERS[response_format](body)
            names, rows = table.column_names, [[cell(value) for value in row.values()] for row in table.to_pylist()]
        assert names == first.colnames, (response_format, names)
        # astropy takes the NULL of a FITS boolean for false.
        wanted = [[value or None for value in row] if response_format == "fits" else row for row in expected]
        rows = [[value or None for value in row] if response_format == "fits" else row for row in rows]
        assert sorted(map(repr, rows)) == sorted(map(repr, wanted)), response_format


def cell(value):
    """A cell as plain Python, a float of 32 bits as such, NaN like NULL."""
    if isinstance(value, numpy.float32):
        value = float(value)
    value = votable_checks.cell(value)
    if hasattr(value, "isoformat"):
        return moment_text(value)
    if isinstance(value, float):
        # JSON has the digits of the shortest form, whatever the width.
        return float(numpy.float32(value)) if float(str(numpy.float32(value))) == value else value
    return value


def assert_votlint(query, parameters, sky):
    """Not a word, in any serialization."""
    for response_format in votable_checks.FORMATS:
        body, _ = sky.fetch(query, FORMAT=response_format, **parameters)
        assert_clean(body, response_format)


def assert_clean(body, where):
    with tempfile.NamedTemporaryFile(suffix=".vot") as file:
        file.write(body)
        file.flush()
        done = subprocess.run(["stilts", "votlint", f"votable={file.name}"], capture_output=True, text=True, timeout=300)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip() and not line.startswith("INFO")]
    assert done.returncode == 0 and not said, (where, "\n".join(said))


def check_votlint_error(sky):
    """votlint finds nothing in an error document"""
    assert_clean(sky.fetch("SELECT nosuch FROM demo.Object")[0], "error")


def check_fits_headers(sky):
    """the FITS file is one by astropy's rules, with units, UCDs and descriptions"""
    body, _ = sky.fetch("SELECT * FROM demo.Object", FORMAT="fits")
    with astropy.io.fits.open(io.BytesIO(body)) as file:
        file.verify("exception")
        header = file[1].header
        assert header["TFIELDS"] == len(sky.rows("Object").column_names) and header["NAXIS2"] == len(sky.rows("Object"))
        place = next(number for number in range(1, 1000) if header[f"TTYPE{number}"] == "coord_ra")
        assert (header[f"TUNIT{place}"], header[f"TUCD{place}"]) == ("deg", "pos.eq.ra;meta.main")
        assert len(header[f"TCOMM{place}"]) > 5 and header["QUERY"] == "SELECT * FROM demo.Object"


def check_fits_in_stilts(sky):
    """STILTS reads FITS as it reads the VOTable"""
    query = (
        "SELECT TOP 500 objectId, parentObjectId, coord_ra, u_psfFlux, refBand, detect_isPrimary, "
        "POINT(coord_ra, coord_dec) AS p FROM demo.Object ORDER BY objectId"
    )
    answers = []
    for response_format, kind in (("fits", "fits"), ("votable/b2", "votable")):
        with tempfile.NamedTemporaryFile() as file:
            file.write(sky.fetch(query, FORMAT=response_format)[0])
            file.flush()
            answers.append(stilts("tpipe", f"in={file.name}", f"ifmt={kind}", "ofmt=csv", "out=-"))
    assert answers[0] == answers[1] and answers[0].count(b"\n") == 501


def check_voparquet(sky):
    """astropy's VOParquet reader finds units, UCDs and values"""
    # It has no way to read NULL in text, nor timestamps beside a VOTable.
    body, _ = sky.fetch("SELECT objectId, coord_ra, r_psfFlux, detect_isPrimary FROM demo.Object", FORMAT="parquet")
    rows = astropy.table.Table.read(io.BytesIO(body), format="parquet.votable")
    assert (str(rows["coord_ra"].unit), rows["coord_ra"].meta["ucd"]) == ("deg", "pos.eq.ra;meta.main"), rows["coord_ra"].meta
    true_rows = sky.rows("Object")
    answered = dict(zip(rows["objectId"].tolist(), rows["coord_ra"].tolist(), strict=True))
    assert answered == dict(zip(true_rows["objectId"].to_pylist(), true_rows["coord_ra"].to_pylist(), strict=True))


def check_arrow_metadata(sky):
    """Arrow and Parquet fields have units and UCDs"""
    for response_format in ("arrow", "parquet"):
        schema = ARROW_READERS[response_format](sky.fetch("SELECT * FROM demo.Object", FORMAT=response_format)[0]).schema
        metadata = schema.field("coord_ra").metadata
        assert (metadata[b"unit"], metadata[b"ucd"]) == (b"deg", b"pos.eq.ra;meta.main"), (response_format, metadata)


def check_systems(sky):
    """the main position is in ICRS, timestamps are UTC, and dates in TAI say so"""
    document = votable_checks.read(sky.fetch("SELECT o.*, v.* FROM demo.Object AS o, demo.Visit AS v", MAXREC=0)[0])
    fields = {field.name: field for field in document.get_first_table().fields}
    for name in ("coord_ra", "coord_dec"):
        assert document.get_coosys_by_id(fields[name].ref).system == "ICRS"
    time = document.get_timesys_by_id(fields["obsStart"].ref)
    assert (time.timescale, time.timeorigin) == ("UTC", None)
    epochs = votable_checks.read(sky.fetch("SELECT midpointMjdTai FROM demo.Source", MAXREC=0)[0])
    time = epochs.get_timesys_by_id(epochs.get_first_table().fields[0].ref)
    assert (time.timescale, time.timeorigin) == ("TAI", "MJD-origin"), time


def check_origin(sky):
    """astropy finds where a result comes from"""
    query = "SELECT filterId FROM demo.Filter"
    origin = extract_data_origin(votable_checks.read(sky.fetch(query)[0])).query
    assert origin.server_software.startswith("qserv/") and origin.service_protocol == "ivo://ivoa.net/std/TAP", origin
    assert origin.request_date.endswith("Z"), origin.request_date


def check_compression(sky):
    """gzip and zstd as the client asks, and the same bytes"""
    query = {"LANG": "ADQL", "QUERY": "SELECT * FROM demo.Visit ORDER BY visit", "FORMAT": "csv"}
    plain_body = requests.get(f"{sky.tap_url}/sync", params=query, headers={"Accept-Encoding": "identity"}, timeout=60)
    assert "Content-Encoding" not in plain_body.headers and plain_body.headers["Vary"].lower() == "accept-encoding"
    for asked, coding in (("gzip", "gzip"), ("zstd;q=0.9, gzip;q=0.1", "zstd")):
        answer = requests.get(f"{sky.tap_url}/sync", params=query, headers={"Accept-Encoding": asked}, stream=True, timeout=60)
        assert answer.headers["Content-Encoding"] == coding
        body = pyarrow.CompressedInputStream(pyarrow.BufferReader(answer.raw.read(decode_content=False)), coding).read()
        assert body == plain_body.content, coding


def check_null_in_bits(sky):
    """whole numbers of 64 bits and NULLs come through every format exactly"""
    query = "SELECT parentObjectId FROM demo.Object"
    true_values = sorted(map(str, sky.rows("Object")["parentObjectId"].to_pylist()))
    assert "None" in true_values
    for response_format in ("fits", "json", "parquet", "arrow"):
        body, _ = sky.fetch(query, FORMAT=response_format)
        if response_format == "fits":
            values = [plain(value) for value in read_fits(body)["parentObjectId"]]
        elif response_format == "json":
            values = [row[0] for row in json.loads(body)["data"]]
        else:
            values = ARROW_READERS[response_format](body)["parentObjectId"].to_pylist()
        assert sorted(map(str, values)) == true_values, response_format
