"""astroquery's TapPlus, the client behind its modules for ESA's archives."""

import os
import tempfile

import requests
from astroquery.utils.tap.core import TapPlus

from pyvo_checks import ENDLESS
from sky import TABLES
from upload_checks import MATCH, positions, true_matches
from values import assert_same_answer

QUERY = "SELECT objectId, coord_ra, u_psfFlux, refBand FROM demo.Object WHERE coord_dec > 0 AND refBand = 'i' ORDER BY objectId"


def service(sky):
    return TapPlus(url=sky.tap_url)


def true_rows(sky):
    return sky.duckdb.execute(QUERY).fetchall()


def matches(rows):
    return sorted((int(row["id"]), int(row["objectId"])) for row in rows)


def check_tables(sky):
    """load_tables(only_names=True) knows every table; of columns it wants an attribute that only ESA's archives have"""
    tables = {table.name for table in service(sky).load_tables(only_names=True)}
    for table in TABLES:
        assert any(name.endswith(f"demo.{table}") for name in tables), table


def check_sync(sky):
    """launch_job(), in the formats that both know; it reads FITS only if it is compressed once more"""
    expected = true_rows(sky)
    # It writes TOP 2000 into a synchronous query.
    assert 10 < len(expected) < 2000
    for output_format in ("votable", "csv"):
        results = service(sky).launch_job(QUERY, output_format=output_format).get_results()
        names = {name.lower(): name for name in results.colnames}
        answered = [tuple(row[names[name]] for name in ("objectid", "coord_ra", "u_psfflux", "refband")) for row in results]
        assert len(answered) == len(expected), output_format
        if output_format != "csv":
            assert_same_answer(answered, expected, is_ordered=True)


def check_async(sky):
    """launch_job_async(), its results, the list of jobs, loading a job again"""
    tap = service(sky)
    job = tap.launch_job_async(QUERY)
    assert job.get_phase(update=True) == "COMPLETED"
    assert_same_answer(job.get_results().iterrows(), true_rows(sky), is_ordered=True)
    assert job.jobid in {listed.jobid for listed in tap.list_async_jobs()}
    again = tap.load_async_job(jobid=job.jobid, load_results=False)
    assert again.jobid == job.jobid and again.get_phase() == "COMPLETED", again
    delete(sky, job)


def check_saved(sky):
    """results saved into a file are those of the query"""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "saved.csv")
        job = service(sky).launch_job_async(QUERY, output_format="csv", dump_to_file=True, output_file=path)
        with open(path) as file:
            assert len(file.readlines()) == len(true_rows(sky)) + 1
        delete(sky, job)


def check_upload(sky):
    """a table that comes along is joined, synchronous and asynchronous, from memory and from a file"""
    tap, table = service(sky), positions(sky)
    expected = true_matches(sky, table)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "t.vot")
        # It sends files as text.
        table.write(path, format="votable")
        for resource in (table, path):
            job = tap.launch_job(MATCH, upload_resource=resource, upload_table_name="t")
            assert matches(job.get_results()) == expected
            job = tap.launch_job_async(MATCH, upload_resource=resource, upload_table_name="t")
            assert matches(job.get_results()) == expected
            delete(sky, job)
    # It names a second format behind the one that it was asked for.
    job = tap.launch_job(MATCH, upload_resource=table, upload_table_name="t", output_format="csv")
    assert matches(job.get_results()) == expected


def check_error(sky):
    """errors in our words"""
    tap = service(sky)
    try:
        tap.launch_job("SELECT nosuch FROM demo.Object")
    except requests.HTTPError as error:
        assert "nosuch" in str(error), error
    else:
        raise AssertionError("it was answered")
    job = tap.launch_job_async("SELECT nosuch FROM demo.Object", background=True)
    _, phase = job.wait_for_job_end()
    assert phase == "ERROR", phase
    assert "nosuch" in job.get_error(), job.get_error()
    delete(sky, job)


def check_abort(sky):
    """abort() ends a job; it takes our 303 for an error, which UWS asks for"""
    job = service(sky).launch_job_async(ENDLESS, background=True, autorun=False)
    try:
        job.abort()
    except requests.HTTPError:
        pass
    assert job.get_phase(update=True) == "ABORTED"
    delete(sky, job)


def delete(sky, job):
    """Its remove_jobs() is an address of ESA's archives, so jobs are deleted as UWS has it."""
    url = f"{sky.tap_url}/async/{job.jobid}"
    assert requests.delete(url, allow_redirects=False, timeout=60).status_code == 303
    assert requests.get(url, timeout=60).status_code == 404
