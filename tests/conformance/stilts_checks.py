"""STILTS: its TAP client, its table reader, and its validator of TAP services."""

import pathlib
import re
import subprocess
import tempfile

import numpy
import pyarrow
import pyarrow.csv

from values import assert_same_answer

ALLOWED = pathlib.Path(__file__).with_name("taplint_allowed.txt")
TAPLINT_STAGES = "TMV TME TMS TMC CPV CAP AVV QGE QPO QAS UWS MDQ UPL"
TIMEOUT_S = 300

QUERY = (
    "SELECT objectId, coord_ra, coord_dec, refBand, u_psfFlux, parentObjectId FROM demo.Object "
    "WHERE CONTAINS(POINT(coord_ra, coord_dec), CIRCLE(0, 1, 3)) = 1"
)


def stilts(*arguments, body=None):
    """What a command of STILTS wrote."""
    done = subprocess.run(["stilts", *arguments], input=body, capture_output=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def check_sync_query(sky):
    """tapquery, synchronous"""
    assert_its_rows(sky, tapquery(sky, "sync=true"))


def check_async_query(sky):
    """tapquery, asynchronous"""
    assert_its_rows(sky, tapquery(sky, "sync=false", "poll=100", "delete=finished"))


def tapquery(sky, *arguments):
    return stilts("tapquery", f"tapurl={sky.tap_url}", f"adql={QUERY}", "ofmt=csv", "out=-", *arguments)


def check_pipe(sky):
    """tpipe reads every VOTable serialization and CSV"""
    for response_format in ("votable/b2", "votable/td", "votable/b", "csv"):
        body, _ = sky.fetch(QUERY, FORMAT=response_format)
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            kind = response_format.split("/")[0]
            assert_its_rows(sky, stilts("tpipe", f"in={file.name}", f"ifmt={kind}", "ofmt=csv", "out=-"))


def check_statistics(sky):
    """tpipe sums what we sum"""
    body, _ = sky.fetch("SELECT psfFlux FROM demo.Source")
    stated = stilts("tpipe", "in=-", "ifmt=votable", "cmd=stats NGood Sum", "ofmt=csv", "out=-", body=body)
    rows = pyarrow.csv.read_csv(pyarrow.BufferReader(stated)).to_pylist()
    answered = sky.service.search("SELECT COUNT(psfFlux) AS n, SUM(psfFlux) AS total FROM demo.Source").to_table()
    assert_same_answer([tuple(answered[0])], [(rows[0]["NGood"], rows[0]["Sum"])], is_ordered=True)


def check_validator_of_documents(sky):
    """votlint finds nothing in our documents"""
    for response_format in ("votable/b2", "votable/td", "votable/b"):
        body, _ = sky.fetch("SELECT * FROM demo.Visit", FORMAT=response_format)
        report = stilts("votlint", "votable=-", "ucd=true", "unit=true", body=body).decode()
        assert not re.search("ERROR|WARNING", report), report


def assert_its_rows(sky, text):
    """The rows of QUERY, which STILTS wrote as CSV."""
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    rows = pyarrow.csv.read_csv(pyarrow.BufferReader(text), convert_options=options)
    true_rows = sky.duckdb.execute(
        "SELECT objectId, coord_ra, coord_dec, refBand, u_psfFlux, parentObjectId FROM demo.Object "
        "WHERE haversine(coord_ra, coord_dec, 0, 1) <= 3"
    ).fetchall()
    assert len(true_rows) > 10
    answered = [with_float(tuple(row.values()), 4) for row in rows.to_pylist()]
    assert_same_answer(answered, [with_float(row, 4) for row in true_rows], is_ordered=False)


def with_float(row, index):
    """The row with one value taken for a 32-bit float, of which STILTS writes the few digits that it has."""
    value = row[index]
    return (*row[:index], None if value is None else float(numpy.float32(value)), *row[index + 1 :])


def check_taplint(sky):
    """taplint finds no error but those allowed, and all of those"""
    report = stilts("taplint", f"tapurl={sky.tap_url}", f"stages={TAPLINT_STAGES}", "report=EWSF", "maxrepeat=50").decode()
    assert "Totals:" in report, report
    allowed = dict(
        line.split(maxsplit=1) for line in ALLOWED.read_text().splitlines() if line.strip() and not line.startswith("#")
    )
    found = re.findall(r"^([EF]-\w+-\w+)-\d+ (.*)$", report, re.MULTILINE)
    new = [f"{code} {text}" for code, text in found if code not in allowed]
    assert not new, "\n".join(new)
    gone = sorted(set(allowed) - {code for code, _ in found})
    assert not gone, f"taplint no longer finds {', '.join(gone)}: take it off {ALLOWED.name}"
