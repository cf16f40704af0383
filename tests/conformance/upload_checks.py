"""Tables that come with a query: sent by pyvo, STILTS and astropy's writers, joined with the sky, and given back as they were."""

import functools
import io
import pathlib
import tempfile
import warnings

import astropy.units
import numpy
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pyvo
import requests
from astropy.io.votable import from_table, parse_single_table
from astropy.table import Column, MaskedColumn, Table

from stilts_checks import stilts

TIMEOUT_S = 120
NEAR_DEG = 0.001

MATCH = (
    "SELECT t.id, o.objectId FROM TAP_UPLOAD.t AS t "
    f"JOIN demo.Object AS o ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < {NEAR_DEG}"
)


def positions(sky, step=10):
    """Every so many-th object under a name of its own, half of `NEAR_DEG` away from where it is."""
    objects = sky.rows("Object")
    ids, ra, dec = (objects[name].to_numpy()[::step] for name in ("objectId", "coord_ra", "coord_dec"))
    table = Table()
    table["id"] = numpy.arange(len(ids))
    table["ra"] = ra * astropy.units.deg
    table["dec"] = numpy.where(dec > 0, dec - NEAR_DEG / 2, dec + NEAR_DEG / 2) * astropy.units.deg
    table["object"] = ids
    return table


def true_matches(sky, table):
    """The pairs that MATCH must give, by DuckDB."""
    sky.duckdb.register("uploaded", pyarrow.table({name: numpy.asarray(table[name]) for name in ("id", "ra", "dec")}))
    found = sky.duckdb.execute(
        "SELECT t.id, o.objectId FROM uploaded t JOIN demo.Object o ON abs(t.dec - o.coord_dec) <= 0.01 "
        f"AND haversine(t.ra, t.dec, o.coord_ra, o.coord_dec) < {NEAR_DEG}"
    ).fetchall()
    assert len(found) >= len(table)
    return sorted(found)


def everything():
    """A table of every type that has a form in VOTable, with what is hard about each."""
    table = Table()
    table["id"] = Column(numpy.array([1, -(2**63) + 1, 2**63 - 1]))
    table["real"] = MaskedColumn([10.5, 0.1, numpy.inf], mask=[False, True, False], unit="deg")
    table["single"] = Column(numpy.array([1.5, -0.1, 3e38], dtype="f4"), unit="nJy")
    table["short"] = MaskedColumn(numpy.array([-32768, 5, 32767], dtype="i2"), mask=[False, True, False])
    table["int"] = Column(numpy.array([-5, 6, 2**31 - 1], dtype="i4"))
    table["byte"] = Column(numpy.array([0, 7, 255], dtype="u1"))
    table["flag"] = Column(numpy.array([True, False, True]))
    table["text"] = Column(["a<b & \"c\"", "longer", "Ångström"])
    table["vector"] = Column(numpy.array([[1.0, 2.0], [3.0, 4.0], [-1.5, 1e300]]))
    table["dec l"] = Column([0.1, 0.2, 0.3])
    return table


def as_votable(table, version, form):
    document = from_table(table)
    document.version = version
    out = io.BytesIO()
    document.to_xml(out, tabledata_format=form)
    return out.getvalue()


def post(sky, query, files, response_format="votable"):
    """A synchronous query with uploads, each (name, file name, bytes, media type)."""
    parts = {f"part{name}": (file_name, content, media_type) for name, file_name, content, media_type in files}
    uploads = ";".join(f"{name},param:part{name}" for name, *_ in files)
    data = {"LANG": "ADQL", "QUERY": query, "UPLOAD": uploads, "FORMAT": response_format}
    answer = requests.post(f"{sky.tap_url}/sync", data=data, files=parts, timeout=TIMEOUT_S)
    assert answer.ok, answer.text
    return answer.content


def table_of(answer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parse_single_table(io.BytesIO(answer)).to_table(use_names_over_ids=True)


def assert_same(sent, back, masked_as_nan=()):
    """A table that came back, value for value."""
    assert back.colnames == sent.colnames, (back.colnames, sent.colnames)
    for name in sent.colnames:
        expected, found = numpy.ma.asarray(sent[name]), numpy.ma.asarray(back[name])
        if expected.dtype.kind in "iufb":
            assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("="), (name, found.dtype, expected.dtype)
        expected_null, found_null = numpy.ma.getmaskarray(expected), numpy.ma.getmaskarray(found)
        if name in masked_as_nan:
            found_null = found_null | numpy.isnan(found.data)
        assert (expected_null == found_null).all(), f"{name}: {found} for {expected}"
        pairs = zip(expected.data[~expected_null], found.data[~found_null])
        assert all(numpy.array_equal(left, right) for left, right in pairs), f"{name}: {found} for {expected}"
        assert str(back[name].unit or "") == str(sent[name].unit or ""), (name, back[name].unit)


def checks(sky):
    """Every way to write a VOTable."""
    for version in ("1.1", "1.2", "1.3", "1.4", "1.5"):
        for form in ("tabledata", "binary", "binary2"):
            if form != "binary2" or version >= "1.3":
                name = f"a VOTable {version} of astropy as {form} comes back as it was"
                yield name, functools.partial(assert_votable_round_trip, version, form)


def assert_votable_round_trip(version, form, sky):
    sent = everything()
    # Before 1.3, and in BINARY, there is no NULL in numbers but one set aside, and astropy sets none aside for a masked column.
    is_without_null = form == "binary" or version < "1.3"
    nan = ("real",) if is_without_null else ()
    if is_without_null:
        sent["short"] = sent["short"].filled(5)
    content = as_votable(sent, version, form)
    for response_format in ("votable", "votable/td"):
        back = table_of(post(sky, "SELECT * FROM TAP_UPLOAD.t", [("t", "t.vot", content, "application/x-votable+xml")], response_format))
        assert_same(sent, back, masked_as_nan=nan)


def write_parquet(table, path):
    """Writes a table with its missing values as NULLs; astropy would put its masks into columns of their own."""
    columns = {}
    for name in table.colnames:
        column = table[name]
        is_text = column.dtype.kind in "UO"
        datatype = pyarrow.string() if is_text else pyarrow.from_numpy_dtype(column.dtype)
        columns[name] = pyarrow.array(column.tolist(), type=datatype)
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def check_other_formats(sky):
    """FITS, ECSV and CSV of astropy and Parquet of pyarrow come back as they were"""
    for kind, name, without in (
        ("fits", "t.fits", ["text"]),
        ("ascii.ecsv", "t.ecsv", []),
        ("parquet", "t.parquet", ["vector"]),
    ):
        sent = everything()
        sent.remove_columns(without)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / name
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if kind == "parquet":
                    write_parquet(sent, path)
                else:
                    sent.write(path, format=kind)
            content = path.read_bytes()
        if kind == "parquet":
            for column in sent.columns.values():
                column.unit = None
        back = table_of(post(sky, "SELECT * FROM TAP_UPLOAD.t", [("t", name, content, "application/octet-stream")]))
        assert_same(sent, back, masked_as_nan=("real",) if kind == "fits" else ())
    text = "id,x,word\n1,0.1,a\n9007199254740993,,\"b, c\"\n"
    answer = post(sky, "SELECT * FROM TAP_UPLOAD.t", [("t", "t.csv", text.encode(), "text/csv")], "csv").decode()
    assert answer.split() == ["id,x,word", "1,0.1,a", "9007199254740993,,\"b,", "c\""], answer


def check_pyvo(sky):
    """pyvo's uploads= cross-matches, synchronous and asynchronous"""
    table = positions(sky)
    expected = true_matches(sky, table)
    for ask in (sky.service.search, sky.service.run_async):
        found = ask(MATCH, uploads={"t": table}).to_table()
        assert sorted(zip(found["id"].tolist(), found["objectId"].tolist())) == expected


def check_pyvo_metadata(sky):
    """an uploaded column keeps its unit in the answer"""
    found = sky.service.search("SELECT ra, dec AS d, id FROM TAP_UPLOAD.T ORDER BY id", uploads={"t": positions(sky)})
    assert found.getdesc("ra").unit == astropy.units.deg and found.getdesc("d").unit == astropy.units.deg


def check_pyvo_error(sky):
    """a fault in an upload is told"""
    broken = io.BytesIO(b"<VOTABLE><RESOURCE><TABLE><FIELD name='n' datatype='int'/><DATA><TABLEDATA>"
                        b"<TR><TD>1</TD></TR><TR><TD>one</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>")
    try:
        sky.service.search("SELECT * FROM TAP_UPLOAD.t", uploads={"t": broken})
    except pyvo.dal.DALQueryError as error:
        assert "row: 2" in str(error) and "one" in str(error), error
    else:
        raise AssertionError("it was answered")


def check_joins_with_children(sky):
    """uploaded keys join sources, and two uploads join each other"""
    table = positions(sky)
    sources = sky.service.search(
        "SELECT t.id, COUNT(*) AS n FROM TAP_UPLOAD.t AS t JOIN demo.Source AS s ON s.objectId = t.object GROUP BY t.id",
        uploads={"t": table},
    ).to_table()
    counts = dict(sky.duckdb.execute("SELECT objectId, COUNT(*) FROM demo.Source GROUP BY objectId").fetchall())
    expected = {int(row["id"]): counts[row["object"]] for row in table if row["object"] in counts}
    assert dict(zip(sources["id"].tolist(), sources["n"].tolist())) == expected
    pairs = sky.service.search(
        "SELECT a.id FROM TAP_UPLOAD.a AS a JOIN TAP_UPLOAD.b AS b ON a.id = b.id", uploads={"a": table, "b": table[:7]}
    )
    assert sorted(row["id"] for row in pairs) == list(range(7))


def check_chunked_body(sky):
    """a body in chunks, without its length"""
    frame = (
        b'--x\r\nContent-Disposition: form-data; name="LANG"\r\n\r\nADQL\r\n'
        b'--x\r\nContent-Disposition: form-data; name="FORMAT"\r\n\r\ncsv\r\n'
        b'--x\r\nContent-Disposition: form-data; name="UPLOAD"\r\n\r\nt,param:f\r\n'
        b'--x\r\nContent-Disposition: form-data; name="QUERY"\r\n\r\nSELECT COUNT(*) AS n FROM TAP_UPLOAD.t\r\n'
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    )

    def body():
        yield frame
        yield b"n\n"
        for number in range(100_000):
            yield b"%d\n" % number
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = requests.post(f"{sky.tap_url}/sync", data=body(), headers=headers, timeout=TIMEOUT_S)
    assert answer.ok and answer.text.split() == ["n", "100000"], answer.text


def check_addresses(sky):
    """a table is not fetched from a private network"""
    for address in (sky.tap_url, sky.tap_url.replace("127.0.0.1", "localhost"), "http://169.254.169.254/latest"):
        data = {"LANG": "ADQL", "QUERY": "SELECT * FROM TAP_UPLOAD.t", "UPLOAD": f"t,{address}"}
        answer = requests.post(f"{sky.tap_url}/sync", data=data, timeout=TIMEOUT_S)
        assert answer.status_code == 403 and "private or local" in answer.text, (address, answer.status_code, answer.text)


def check_stilts_query(sky):
    """STILTS' tapquery sends uploads, synchronous and asynchronous"""
    table = positions(sky)
    expected = true_matches(sky, table)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "t.fits"
        table.write(path)
        for mode in ("sync=true", "sync=false"):
            for form in ("TABLEDATA", "BINARY", "BINARY2"):
                polling = [] if mode == "sync=true" else ["poll=100", "delete=finished"]
                text = stilts(
                    "tapquery", f"tapurl={sky.tap_url}", "nupload=1", f"upload1={path}", "upname1=t", f"upvotformat={form}",
                    mode, *polling, f"adql={MATCH}", "ofmt=csv", "out=-",
                )
                rows = pyarrow.csv.read_csv(pyarrow.BufferReader(text)).to_pylist()
                assert sorted((row["id"], row["objectId"]) for row in rows) == expected, (mode, form)


def check_stilts_sky_match(sky):
    """STILTS' tapskymatch cross-matches in blocks"""
    table = positions(sky, step=30)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "t.fits"
        table.write(path)
        text = stilts(
            "tapskymatch", f"tapurl={sky.tap_url}", "taptable=demo.Object", "taplon=coord_ra", "taplat=coord_dec",
            "tapcols=objectId,coord_ra", f"in={path}", "inlon=ra", "inlat=dec", f"sr={NEAR_DEG}", "find=all", "blocksize=40",
            "ofmt=csv", "out=-",
        )
    rows = pyarrow.csv.read_csv(pyarrow.BufferReader(text)).to_pylist()
    assert sorted((row["id"], row["objectId"]) for row in rows) == true_matches(sky, table)
