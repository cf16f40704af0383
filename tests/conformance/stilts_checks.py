"""STILTS: its TAP client, its table reader, and its validator of TAP services."""

import json
import pathlib
import re
import subprocess
import tempfile

import numpy
import pyarrow
import pyarrow.csv

from values import assert_same_answer

ALLOWED = pathlib.Path(__file__).with_name("taplint_allowed.txt")
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


def check_resume(sky):
    """tapresume takes up a job that another program made"""
    job = sky.service.submit_job(QUERY)
    try:
        job.run()
        assert_its_rows(sky, stilts("tapresume", f"joburl={job.url}", "poll=100", "delete=never", "ofmt=csv", "out=-"))
    finally:
        job.delete()


def check_query_error(sky):
    """tapquery tells a wrong query's error in our words"""
    for mode in (["sync=true"], ["sync=false", "poll=100"]):
        arguments = ["stilts", "tapquery", f"tapurl={sky.tap_url}", "adql=SELECT nosuch FROM demo.Object", *mode]
        done = subprocess.run(arguments, capture_output=True, timeout=TIMEOUT_S)
        assert done.returncode != 0 and b"nosuch" in done.stderr, (mode, done.stderr)


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


def part_of(reason):
    """What an allowed error's text must have in it."""
    return reason.split(":", 1)[0]


def check_taplint(sky):
    """taplint finds nothing in any of its stages but what is allowed, and all of that"""
    # Its exit status is 0 whatever it finds.
    report = json.loads(stilts("taplint", f"tapurl={sky.tap_url}", "format=json", "report=EWSF", "maxrepeat=50"))
    found = [
        (f"{fault['level'][0]}-{section['code']}-{fault['code']}", fault["text"])
        for section in report["sections"]
        for fault in section["reports"]
        if fault["level"] in ("ERROR", "WARNING", "FAILURE")
    ]
    assert len(found) == sum(report["totals"][level] for level in ("ERROR", "WARNING", "FAILURE")), report["totals"]
    stages = {section["code"] for section in report["sections"]}
    assert {"TMV", "CPV", "QAS", "UWS", "UPL", "EXA"} <= stages, stages
    allowed = dict(
        line.split(maxsplit=1) for line in ALLOWED.read_text().splitlines() if line.strip() and not line.startswith("#")
    )
    new = [f"{code} {text}" for code, text in found if code not in allowed or part_of(allowed[code]) not in text]
    assert not new, "\n".join(new)
    gone = sorted(set(allowed) - {code for code, _ in found})
    assert not gone, f"taplint no longer finds {', '.join(gone)}: take it off {ALLOWED.name}"
