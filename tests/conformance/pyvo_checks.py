"""pyvo as an astronomer uses it."""

import functools
import re
import threading
import time
import warnings
import xml.etree.ElementTree

import numpy
import pyvo
import requests
from astropy.time import Time, TimeDelta
from astropy.utils.exceptions import AstropyDeprecationWarning
from pyvo.dal.exceptions import DALOverflowWarning

from sky import KEYS, TABLES
from values import assert_same_answer, assert_same_rows

# No answer of it comes within any test's time: the sample sky has tens of thousands of rows in either table.
ENDLESS = (
    "SELECT COUNT(*) FROM demo.Source AS a, demo.ForcedSource AS b, demo.ForcedSource AS c "
    "WHERE a.psfFlux < b.psfFlux AND b.psfFlux < c.psfFlux"
)
PHASE_TIMEOUT_S = 60


def checks(sky):
    """Every table read back whole."""
    for table in TABLES:
        for response_format in ("votable", "votable/td", "votable/b"):
            yield (
                f"all rows of {table} as {response_format} equal those of its files",
                functools.partial(assert_whole_table, table, response_format),
            )


def assert_whole_table(table, response_format, sky):
    result = sky.service.search(f"SELECT * FROM demo.{table}", response_format=response_format)
    rows = result.to_table()
    rows.sort(KEYS[table])
    assert_same_rows(rows, sky.rows(table), nulls_in_numbers=response_format != "votable/b")


def check_sync(sky):
    """search() without a word about formats"""
    result = sky.service.search("SELECT filterId, band FROM demo.Filter ORDER BY filterId")
    assert result.query_status == "OK" and result.fieldnames == ("filterId", "band"), result.fieldnames
    assert [row["band"] for row in result] == list("ugrizy")


def check_get_and_post(sky):
    """the same answer by GET, by POST, and in other letter case"""
    text = "SELECT COUNT(*) AS n FROM demo.Object"
    parameters = {"LANG": "ADQL", "QUERY": text, "FORMAT": "csv"}
    lower = {name.lower(): value for name, value in parameters.items()}
    answers = {
        requests.get(f"{sky.tap_url}/sync", params=parameters, timeout=60).text,
        requests.post(f"{sky.tap_url}/sync", data=parameters, timeout=60).text,
        requests.post(f"{sky.tap_url}/sync", data=lower, timeout=60).text,
        requests.post(f"{sky.tap_url}/sync", files={name: (None, value) for name, value in parameters.items()}, timeout=60).text,
    }
    assert len(answers) == 1 and answers.pop().split() == ["n", "3000"], answers


def check_overflow(sky):
    """MAXREC cuts and says so, and says nothing where it does not cut"""
    text = "SELECT filterId FROM demo.Filter"
    for maxrec, rows, overflows in ((1, 1, True), (5, 5, True), (6, 6, False), (7, 6, False)):
        result = sky.service.search(text, maxrec=maxrec)
        assert len(result) == rows, (maxrec, len(result))
        assert result.query_status == ("OVERFLOW" if overflows else "OK"), (maxrec, result.query_status)
    # pyvo leaves out maxrec=0, but sends what it does not know.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DALOverflowWarning)
        assert len(sky.service.search(text, MAXREC=0)) == 0


def check_overflow_warning(sky):
    """a limit that pyvo did not set itself makes it warn"""
    text = "SELECT filterId FROM demo.Filter"
    for maxrec, warns in ((4, True), (6, False)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sky.service.search(text, MAXREC=maxrec)
        assert any(warning.category is DALOverflowWarning for warning in caught) == warns, (maxrec, caught)


def check_top_is_no_overflow(sky):
    """TOP is the user's own bound, so no overflow"""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DALOverflowWarning)
        assert len(sky.service.search("SELECT TOP 5 objectId FROM demo.Object")) == 5


def check_types(sky):
    """the types of results, computed ones too"""
    rows = sky.service.search(
        """SELECT TOP 1 objectId, coord_ra, r_psfFlux, refBand, detect_isPrimary,
               2 * r_psfFlux AS twice, coord_ra / 2 AS half
           FROM demo.Object WHERE r_psfFlux IS NOT NULL"""
    ).to_table()
    kinds = {name: rows[name].dtype.str.lstrip("<|=") for name in rows.colnames}
    assert kinds["objectId"] == "i8" and kinds["coord_ra"] == "f8" and kinds["r_psfFlux"] == "f4", kinds
    assert kinds["detect_isPrimary"] == "b1" and kinds["half"] == "f8", kinds
    assert kinds["twice"] in ("f4", "f8") and kinds["refBand"][0] in "OU", kinds
    assert rows["objectId"].dtype == numpy.int64 and str(rows["coord_ra"].unit) == "deg"
    small = sky.service.search("SELECT detector, visit FROM demo.Source WHERE visit < 0").to_table()
    assert small["detector"].dtype == numpy.int16 and len(small) == 0
    night = sky.service.search("SELECT TOP 1 night, obsStart FROM demo.Visit").to_table()
    assert night["night"].dtype == numpy.int32
    aggregates = sky.service.search(
        "SELECT COUNT(*) AS n, AVG(r_psfFlux) AS mean, MAX(objectId) AS last, MIN(refBand) AS band FROM demo.Object"
    ).to_table()
    kinds = [aggregates[name].dtype.kind for name in ("n", "mean", "last")]
    assert kinds == ["i", "f", "i"], kinds


def check_point(sky):
    """a POINT in the select list is a DALI point"""
    result = sky.service.search("SELECT TOP 1 objectId, coord_ra, coord_dec, POINT(coord_ra, coord_dec) AS p FROM demo.Object")
    field = result.getdesc("p")
    assert field.xtype == "point" and field.datatype == "double" and field.arraysize == "2", field
    row = result.to_table()[0]
    assert list(row["p"]) == [row["coord_ra"], row["coord_dec"]]


def check_masks(sky):
    """NULL comes as a masked value, in numbers, text and booleans"""
    text = """SELECT f.filterId, v.visit, v.night, v.airmass, v.band, v.ra, o.detect_isPrimary, v.obsStart
              FROM demo.Filter AS f LEFT JOIN demo.Visit AS v ON v.visit = f.filterId
              LEFT JOIN demo.Object AS o ON o.objectId = f.filterId"""
    for response_format in ("votable", "votable/td"):
        rows = sky.service.search(text, response_format=response_format).to_table()
        assert len(rows) == 6 and not numpy.ma.is_masked(rows["filterId"])
        for name in rows.colnames[1:]:
            for value in rows[name]:
                is_null = value is numpy.ma.masked or (isinstance(value, (str, bytes)) and len(value) == 0)
                is_null = is_null or numpy.ma.is_masked(value)
                assert is_null, f"{response_format}: {name} is {value!r}"


def check_error(sky):
    """a wrong query is a DALQueryError with our words"""
    try:
        sky.service.search("SELECT nosuch FROM demo.Object")
    except pyvo.dal.DALQueryError as error:
        assert "nosuch" in str(error) and "demo.Object" in str(error) and "line 1" in str(error), error
    else:
        raise AssertionError("it was answered")


def check_error_while_running(sky):
    """so is a query that fails only when it runs"""
    for text in (
        "SELECT CAST(refBand AS INTEGER) AS n FROM demo.Object",
        "SELECT CAST(objectId AS SMALLINT) AS n FROM demo.Object",
    ):
        try:
            sky.service.search(text)
        except pyvo.dal.DALQueryError as error:
            assert not any(word in str(error) for word in ("Arrow", "DataFusion", "panicked")), error
        else:
            raise AssertionError(f"it was answered: {text}")


def check_async(sky):
    """run_async() gives what search() gives"""
    text = "SELECT objectId, coord_ra, u_psfFlux, refBand FROM demo.Object WHERE coord_dec > 0 ORDER BY objectId"
    asynchronous, synchronous = sky.service.run_async(text).to_table(), sky.service.search(text).to_table()
    assert len(synchronous) > 0 and asynchronous.colnames == synchronous.colnames
    assert_same_answer(asynchronous.iterrows(), synchronous.iterrows(), is_ordered=True)


def check_job(sky):
    """a job's phases, its result, its deletion"""
    job = sky.service.submit_job("SELECT COUNT(*) AS n FROM demo.Source", maxrec=10)
    assert job.phase == "PENDING", job.phase
    assert job.query.startswith("SELECT COUNT(*)")
    job.run().wait(timeout=PHASE_TIMEOUT_S)
    assert job.phase == "COMPLETED", job.phase
    assert job.fetch_result()["n"][0] == len(sky.rows("Source"))
    url = job.url
    job.delete()
    assert requests.get(url, timeout=60).status_code == 404


def check_job_list(sky):
    """the job list names a job"""
    job = sky.service.submit_job("SELECT COUNT(*) AS n FROM demo.Visit")
    try:
        jobs = {description.jobid: description.phase for description in sky.service.get_job_list()}
        assert jobs.get(job.job_id) == "PENDING", jobs
        assert job.job_id in {description.jobid for description in sky.service.get_job_list(phases=["PENDING"])}
        assert job.job_id not in {description.jobid for description in sky.service.get_job_list(phases=["ERROR"])}
    finally:
        job.delete()


def check_job_list_filters(sky):
    """the job list can be cut by time and number"""
    first = sky.service.submit_job("SELECT COUNT(*) AS n FROM demo.Visit", runid="the first")
    second = sky.service.submit_job("SELECT COUNT(*) AS n FROM demo.Filter")
    try:
        newest = list(sky.service.get_job_list(last=1))
        assert [description.jobid for description in newest] == [second.job_id], newest
        listed = {description.jobid: description for description in sky.service.get_job_list(last=2)}
        assert set(listed) == {first.job_id, second.job_id}, listed
        assert listed[first.job_id].runid == "the first", listed[first.job_id].runid
        # By a second of its own: pyvo sends no parts of seconds.
        assert not list(sky.service.get_job_list(after=(Time.now() + TimeDelta(3600, format="sec")).to_datetime()))
        both = sky.service.get_job_list(phases=["PENDING", "EXECUTING"])
        assert {first.job_id, second.job_id} <= {description.jobid for description in both}
    finally:
        first.delete()
        second.delete()


def check_wait(sky):
    """WAIT holds a request until the phase changes, and no longer"""
    job = sky.service.submit_job(ENDLESS)
    try:
        began = time.monotonic()
        assert requests.get(f"{job.url}/phase", params={"WAIT": 1}, timeout=60).text == "PENDING"
        assert 1 <= time.monotonic() - began < 10
        began = time.monotonic()
        assert b"PENDING" in requests.get(job.url, params={"WAIT": 60, "PHASE": "EXECUTING"}, timeout=60).content
        assert time.monotonic() - began < 10, "it waited in another phase"
        job.run()
        wait_for_phase(job, "EXECUTING")
        aborting = threading.Timer(1, job.abort)
        aborting.start()
        began = time.monotonic()
        assert requests.get(f"{job.url}/phase", params={"WAIT": -1}, timeout=60).text == "ABORTED"
        assert 0.5 <= time.monotonic() - began < 10
        aborting.join()
    finally:
        job.delete()


def check_progress(sky):
    """a running job tells how far it is"""
    job = sky.service.submit_job(ENDLESS)
    try:
        job.run()
        wait_for_phase(job, "EXECUTING")
        until = time.monotonic() + PHASE_TIMEOUT_S
        while True:
            document = xml.etree.ElementTree.fromstring(requests.get(job.url, timeout=60).content)
            progress = {element.tag: int(element.text) for element in document.find(".//progress")}
            if progress["chunksTotal"] > 0:
                break
            assert time.monotonic() < until, progress
            time.sleep(0.1)
        assert progress["chunksDone"] <= progress["chunksTotal"] and progress["attempts"] == 1, progress
    finally:
        job.delete()


def without_date(document):
    """The document without the moment at which its query was asked."""
    return re.sub(rb'<INFO name="request_date" value="[^"]*"/>\n?', b"", document)


def check_result_in_any_format(sky):
    """a job's result is fetched in any format, whole and in parts"""
    text = "SELECT objectId, coord_ra, refBand FROM demo.Object ORDER BY objectId"
    job = sky.service.submit_job(text)
    try:
        job.run().wait(timeout=PHASE_TIMEOUT_S)
        expected = sky.service.search(text).to_table()
        assert_same_answer(job.fetch_result().to_table().iterrows(), expected.iterrows(), is_ordered=True)
        url = f"{job.url}/results/result"
        for response_format in ("votable/td", "votable/b", "csv", "tsv"):
            stored = requests.get(url, params={"RESPONSEFORMAT": response_format}, timeout=60)
            synchronous, content_type = sky.fetch(text, FORMAT=response_format)
            assert stored.headers["Content-Type"] == content_type
            assert without_date(stored.content) == without_date(synchronous), response_format
        packed = requests.get(url, timeout=60)
        assert packed.headers["Content-Encoding"] in ("gzip", "zstd") and packed.headers["Accept-Ranges"] == "none"
        whole = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=60)
        assert whole.headers["Accept-Ranges"] == "bytes" and "Content-Encoding" not in whole.headers
        assert packed.content == whole.content and packed.headers["ETag"] != whole.headers["ETag"]
        part = requests.get(url, headers={"Range": "bytes=100-", "If-Range": whole.headers["ETag"]}, timeout=60)
        assert part.status_code == 206 and part.content == whole.content[100:]
        outside = requests.get(url, headers={"Range": f"bytes={len(whole.content)}-"}, timeout=60)
        assert outside.status_code == 416 and outside.headers["Content-Range"] == f"bytes */{len(whole.content)}"
    finally:
        job.delete()


def check_delete_by_action(sky):
    """ACTION=DELETE deletes a job as DELETE does"""
    job = sky.service.submit_job("SELECT COUNT(*) AS n FROM demo.Visit")
    answer = requests.post(job.url, data={"ACTION": "DELETE"}, allow_redirects=False, timeout=60)
    assert answer.status_code == 303 and answer.headers["Location"] == f"{sky.tap_url}/async", answer.headers
    for resource in ("", "/phase", "/results", "/error"):
        assert requests.get(job.url + resource, timeout=60).status_code == 404, resource


def check_job_settings(sky):
    """a job's destruction time and duration can be set"""
    job = sky.service.submit_job("SELECT COUNT(*) AS n FROM demo.Visit")
    try:
        job.execution_duration = 120
        # pyvo takes the seconds of the document for days.
        assert job.execution_duration.value == 120, job.execution_duration
        before = job.destruction
        job.destruction = (before - TimeDelta(3600, format="sec")).to_datetime()
        assert abs((before - job.destruction).sec - 3600) < 2, (job.destruction, before)
    finally:
        job.delete()


def check_job_with_error(sky):
    """a job that fails says why"""
    job = sky.service.submit_job("SELECT nosuch FROM demo.Object")
    try:
        job.run().wait(phases=["ERROR", "COMPLETED"], timeout=PHASE_TIMEOUT_S)
        assert job.phase == "ERROR", job.phase
        try:
            job.raise_if_error()
        except pyvo.dal.DALQueryError as error:
            assert "nosuch" in str(error), error
        else:
            raise AssertionError("no error")
    finally:
        job.delete()


def check_abort(sky):
    """a running job is aborted, and one that waits too"""
    for is_running in (True, False):
        job = sky.service.submit_job(ENDLESS)
        try:
            if is_running:
                job.run()
                wait_for_phase(job, "EXECUTING")
            job.abort()
            wait_for_phase(job, "ABORTED")
        finally:
            job.delete()


def check_delete_running(sky):
    """deleting a running job ends it"""
    job = sky.service.submit_job(ENDLESS)
    job.run()
    wait_for_phase(job, "EXECUTING")
    url = job.url
    job.delete()
    assert requests.get(url, timeout=60).status_code == 404
    assert sky.service.search("SELECT COUNT(*) AS n FROM demo.Object")["n"][0] == 3000


def wait_for_phase(job, phase):
    """Asks until the job is there; pyvo's own wait() knows only ends."""
    until = time.monotonic() + PHASE_TIMEOUT_S
    while job.phase != phase:
        assert time.monotonic() < until, f"the job is {job.phase}, not {phase}"
        time.sleep(0.02)


def check_tables(sky):
    """.tables: names, columns, units, UCDs, descriptions"""
    tables = sky.service.tables
    assert {f"demo.{table}" for table in TABLES} <= set(tables.keys()), list(tables.keys())
    columns = {column.name: column for column in tables["demo.Object"].columns}
    assert set(columns) == set(sky.rows("Object").column_names)
    ra, flux = columns["coord_ra"], columns["r_psfFlux"]
    assert (ra.unit, ra.ucd, ra.datatype.content) == ("deg", "pos.eq.ra;meta.main", "double")
    assert (flux.unit, flux.datatype.content) == ("nJy", "float") and flux.ucd.startswith("phot.flux.density")
    assert all(column.description for table in TABLES for column in tables[f"demo.{table}"].columns)
    assert "demo.Object" in {key.targettable for key in tables["demo.Source"].foreignkeys}


def check_examples(sky):
    """.examples: each is answered, with rows"""
    examples = sky.service.examples
    assert len(examples) >= 8, len(examples)
    for example in examples:
        assert len(example.execute()) > 0, example["QUERY"]


def check_tables_agree_with_schema(sky):
    """.tables and TAP_SCHEMA tell the same of every column"""
    described = sky.service.search("SELECT table_name, column_name, datatype, unit, ucd FROM tap_schema.columns").to_table()
    in_schema = {(row["table_name"], row["column_name"]): row["datatype"] for row in described}
    in_tables = {
        (name, column.name): column.datatype.content
        for name in sky.service.tables.keys()
        for column in sky.service.tables[name].columns
    }
    assert in_schema == in_tables, set(in_schema.items()) ^ set(in_tables.items())


def check_availability(sky):
    """available and up since some time"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyDeprecationWarning)
        assert sky.service.available is True and sky.service.up_since is not None


def check_capabilities(sky):
    """capabilities: what pyvo derives of them"""
    capability = sky.service.get_tap_capability()
    assert capability.get_adql().name == "ADQL"
    language = capability.get_adql()
    forms = {feature.form for features in language.languagefeaturelists for feature in features}
    assert {"POINT", "CIRCLE", "CONTAINS", "DISTANCE"} <= forms
    assert any(form.startswith("scisql_nanojanskyToAbMag(") for form in forms)
    standards = {one.standardid for one in sky.service.capabilities}
    assert {"ivo://ivoa.net/std/TAP", "ivo://ivoa.net/std/VOSI#tables-1.1", "ivo://ivoa.net/std/DALI#examples"} <= standards, standards
    # Each offered format is one that the service then gives.
    for offered in capability.outputformats:
        for name in [offered.mime, *offered.aliases]:
            body, content_type = sky.fetch("SELECT filterId FROM demo.Filter", FORMAT=name)
            assert content_type.split(";")[0] == offered.mime.split(";")[0], (name, content_type)
            assert body and b"ERROR" not in body[:1000], name
