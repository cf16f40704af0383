"""Measures a served sample sky and DaCHS side by side: the same rows, the same queries, asked in turn in one run.

DaCHS must be installed (Debian packages gavodachs2-server and postgresql-15-q3c), its PostgreSQL must run, and its server must not.
The rows are imported into it as the resource `qserv_bench`, and it is served until the end.
"""

import argparse
import contextlib
import csv
import http.client
import io
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

import numpy
from astropy.io.votable import parse_single_table

from sky import SampleSky

COLUMNS = {
    "sourceid": "bigint",
    "objectid": "bigint",
    "visit": "bigint",
    "detector": "integer",
    "ra": "double precision",
    "dec": "double precision",
    "flux": "real",
    "snr": "real",
}
# The same columns of the sample sky.
OURS = "sourceId, objectId, visit, detector, coord_ra, coord_dec, psfFlux, snr"
DACHS_INPUTS = pathlib.Path("/var/gavo/inputs")
DACHS_URL = "http://localhost:8080/tap"
RESOURCE = "qserv_bench"
# Names of the formats that both have, as each calls them.
FORMATS = {
    "VOTable BINARY2": ("votable/b2", "votable/b2"),
    "VOTable BINARY": ("votable/b", "application/x-votable+xml"),
    "VOTable TABLEDATA": ("votable/td", "votable/td"),
    "CSV": ("csv", "text/csv"),
    "TSV": ("tsv", "text/tab-separated-values"),
    "FITS": ("fits", "application/fits"),
    "JSON": ("json", "application/json"),
}
START_TIMEOUT_S = 120
JOB_TIMEOUT_S = 60


class Service:
    """A TAP service, over one connection that is kept."""

    def __init__(self, url, table, columns):
        parts = urllib.parse.urlsplit(url)
        self.path, self.table, self.columns = parts.path, table, columns
        self.connection = http.client.HTTPConnection(parts.netloc, timeout=120)

    def request(self, method, path, **parameters):
        body = urllib.parse.urlencode(parameters) or None
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{path} {parameters}: {answer.status} {content[:500]!r}")
        return answer, content

    def sync(self, query, response_format):
        return self.request("POST", f"{self.path}/sync", REQUEST="doQuery", LANG="ADQL", QUERY=query, FORMAT=response_format, MAXREC=10_000_000)[1]

    def asynchronous(self, query, response_format):
        """A job from its making to its result, its phase asked for as fast as it is told."""
        made, _ = self.request("POST", f"{self.path}/async", REQUEST="doQuery", LANG="ADQL", QUERY=query, FORMAT=response_format)
        job = urllib.parse.urlsplit(made.headers["Location"]).path
        # In a request of its own: DaCHS does not take it with the first one.
        self.request("POST", f"{job}/phase", PHASE="RUN")
        until = time.monotonic() + JOB_TIMEOUT_S
        while (phase := self.request("GET", f"{job}/phase")[1].decode().strip()) in ("QUEUED", "EXECUTING", "PENDING"):
            if time.monotonic() > until:
                raise RuntimeError(f"the job is still {phase}")
            time.sleep(0.01)
        if phase != "COMPLETED":
            raise RuntimeError(f"the job is {phase}")
        answer, content = self.request("GET", f"{job}/results/result")
        while answer.status in (301, 302, 303):
            answer, content = self.request("GET", urllib.parse.urlsplit(answer.headers["Location"]).path)
        self.request("POST", job, ACTION="DELETE")
        return content


def in_turn(services, ask, rounds):
    """The least and the median milliseconds of each service, asked in turn; the first round does not count."""
    taken = {name: [] for name in services}
    for _ in range(rounds + 1):
        for name, service in services.items():
            began = time.perf_counter()
            ask(name, service)
            taken[name].append(1000 * (time.perf_counter() - began))
    return {name: (min(times[1:]), statistics.median(times[1:])) for name, times in taken.items()}


@contextlib.contextmanager
def dachs(rows, user):
    """DaCHS with the rows as its table `qserv_bench.source`."""
    folder = DACHS_INPUTS / RESOURCE
    folder.mkdir(exist_ok=True)
    with (folder / "source.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    columns = "\n".join(
        f'<column name="{name}" type="{kind}" required="{kind in ("bigint", "integer")}" description="as in the sample sky"/>'
        for name, kind in COLUMNS.items()
    )
    (folder / "q.rd").write_text(
        f"""<resource schema="{RESOURCE}" resdir="{RESOURCE}">
<meta name="title">Rows of a sample sky</meta><meta name="description">Rows of a sample sky.</meta>
<meta name="creationDate">2026-01-01T00:00:00Z</meta><meta name="subject">surveys</meta>
<table id="source" onDisk="True" adql="True" primary="sourceid">{columns}</table>
<data id="import"><sources>source.csv</sources><csvGrammar/><make table="source"><rowmaker idmaps="*"/></make></data>
</resource>"""
    )
    subprocess.run(["chown", "-R", f"{user}:gavo", folder], check=True)
    as_user = ["su", "-", user, "-c"]
    subprocess.run([*as_user, f"dachs imp {RESOURCE}/q"], check=True)
    server = subprocess.Popen([*as_user, "exec dachs serve debug"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                Service(DACHS_URL, "", "").request("GET", "/tap/availability")
                break
            except (OSError, RuntimeError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)
        yield Service(DACHS_URL, f"{RESOURCE}.source", ", ".join(COLUMNS))
    finally:
        subprocess.run(["pkill", "-u", user, "-f", "serve debug"], check=False)
        server.wait(30)


def rows_of(body):
    return parse_single_table(io.BytesIO(body)).array


def assert_equal(services, query):
    """Both hold the same rows."""
    ours, theirs = (rows_of(service.sync(query(service), "votable/b2")) for service in services.values())
    assert len(ours) == len(theirs), (len(ours), len(theirs))
    for one, other in zip(ours.dtype.names, theirs.dtype.names):
        assert numpy.ma.allequal(ours[one], theirs[other], fill_value=True), (one, other)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--program", required=True, type=pathlib.Path)
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--user", default="dachsroot", help="the administrator of DaCHS")
    arguments = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="qserv-dachs-") as folder:
        with SampleSky.served(arguments.program, pathlib.Path(folder), 20_000) as sky:
            query = f"SELECT TOP {arguments.rows} {OURS} FROM demo.Source ORDER BY sourceId"
            answer = Service(sky.tap_url, "", "").sync(query, "csv").decode().splitlines()
            rows = list(csv.reader(answer))[1:]
            assert len(rows) == arguments.rows, len(rows)
            last = rows[-1][0]
            # Our table has more rows than theirs, so each query says which: the rows up to the last one.
            with dachs(rows, arguments.user) as theirs:
                services = {"qserv": Service(sky.tap_url, "demo.Source", OURS), "DaCHS": theirs}
                measure(services, rows, last, arguments.rounds)


def measure(services, rows, last, rounds):
    first = rows[0][0]

    def tiny(service):
        key = service.columns.split(", ")[0]
        return f"SELECT {service.columns} FROM {service.table} WHERE {key} = {first}"

    def whole(service):
        key = service.columns.split(", ")[0]
        return f"SELECT {service.columns} FROM {service.table} WHERE {key} <= {last}"

    def ordered(service):
        return f"{whole(service)} ORDER BY {service.columns.split(', ')[0]}"

    assert_equal(services, ordered)
    print(f"{'query':<32} {'qserv ms':>18} {'DaCHS ms':>18} {'ratio':>7}   (least / median; ratio of the medians)", flush=True)

    def report(title, figures):
        ours, theirs = figures["qserv"], figures["DaCHS"]
        print(f"{title:<32} {ours[0]:>9.1f}/{ours[1]:>8.1f} {theirs[0]:>9.1f}/{theirs[1]:>8.1f} {theirs[1] / ours[1]:>7.1f}", flush=True)

    report("one row, synchronous", in_turn(services, lambda _, service: service.sync(tiny(service), "votable/td"), 3 * rounds))
    report("one row, asynchronous", in_turn(services, lambda _, service: service.asynchronous(tiny(service), "votable/td"), rounds))
    for title, names in FORMATS.items():
        try:
            figures = in_turn(services, lambda name, service: service.sync(whole(service), names[list(services).index(name)]), rounds)
        except RuntimeError as error:
            print(f"{title:<32} {error}", flush=True)
            continue
        report(f"{len(rows)} rows x {len(COLUMNS)}, {title}", figures)


if __name__ == "__main__":
    sys.exit(main())
