"""The sample sky under judgement: its server, its TAP address, and its rows as the Parquet files hold them."""

import contextlib
import functools
import os
import pathlib
import re
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

import duckdb
import numpy
import pyarrow
import pyarrow.parquet
import pyvo

from cluster import Cluster

DIRECTOR, CHILDREN, REPLICATED = "Object", ("Source", "ForcedSource"), ("Visit", "Filter")
TABLES = (DIRECTOR, *CHILDREN, *REPLICATED)
KEYS = {"Object": "objectId", "Source": "sourceId", "ForcedSource": "forcedSourceId", "Visit": "visit", "Filter": "filterId"}
FINE_CELL = "_healpix_29"

READY_TIMEOUT_S = 300
STOP_TIMEOUT_S = 60


class SampleSky:
    """A served sample sky."""

    def __init__(self, program, tap_url, flight_url, data_dir):
        self.program = program
        self.tap_url = tap_url
        self.flight_url = flight_url
        self.data_dir = data_dir
        self.closing = contextlib.ExitStack()
        self.service = pyvo.dal.TAPService(tap_url)

    @classmethod
    @contextlib.contextmanager
    def served(cls, program, folder, objects):
        """Serves a new sky on a free port until the block ends; it must then stop by itself when asked to."""
        data_dir, log = folder / "data", folder / "log"
        command = [program, "demo", "--objects", str(objects), "--data-dir", data_dir, "--listen", "127.0.0.1:0"]
        command += ["--flight-listen", "127.0.0.1:0"]
        # TAP wants a service that takes uploads to take addresses too; ours does so only if it is told to.
        # A client that takes nothing is to be given up while a check can wait for it.
        environment = {**os.environ, "QSERV_TAP__UPLOADS__FROM_URLS": "true", "QSERV_CZAR__CLIENT_TIMEOUT_S": "10"}
        environment["QSERV_FLIGHT__CLIENT_TIMEOUT_S"] = "10"
        with log.open("w") as log_file:
            server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log_file, text=True, env=environment)
        # A server that neither speaks nor ends must not hold the judge for ever.
        watch = threading.Timer(READY_TIMEOUT_S, server.kill)
        watch.start()
        try:
            patterns = (r"http://\S+/tap\b", r"grpc://\S+")
            found = [next(filter(None, (re.search(each, line) for line in server.stdout)), None) for each in patterns]
            if None in found:
                raise RuntimeError(f"qserv demo ended before it served:\n{log.read_text()}")
            # Who reads no more would in the end block who writes.
            threading.Thread(target=server.stdout.read, daemon=True).start()
            sky = cls(program, *(address.group() for address in found), data_dir)
            sky.wait_until_available()
            watch.cancel()
            with sky.closing:
                yield sky
        finally:
            watch.cancel()
            server.terminate()
            try:
                server.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
                raise RuntimeError("qserv demo did not stop when asked to") from None
            errors = [line for line in log.read_text().splitlines() if "panicked" in line]
            if errors:
                raise RuntimeError("qserv demo panicked:\n" + "\n".join(errors))

    def wait_until_available(self):
        """Returns once the service answers; its listener is open when it says its address."""
        with urllib.request.urlopen(f"{self.tap_url}/availability", timeout=READY_TIMEOUT_S) as answer:
            assert b"true" in answer.read()

    def fetch(self, query, **parameters):
        """The bytes and the content type of a synchronous query's answer, whatever its HTTP status."""
        body = urllib.parse.urlencode({"LANG": "ADQL", "QUERY": query, **parameters}).encode()
        try:
            with urllib.request.urlopen(f"{self.tap_url}/sync", body, timeout=READY_TIMEOUT_S) as answer:
                return answer.read(), answer.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            return error.read(), error.headers["Content-Type"]

    def segments(self, table):
        """The files of a table by their path below a worker's store; of a file's replicas any one."""
        found = {}
        for path in sorted(self.data_dir.glob(f"workers/*/segments/demo/{table}/dataset/**/*.parquet")):
            found.setdefault(path.relative_to(self.data_dir / "workers").parts[2:], path)
        return list(found.values())

    @functools.cache
    def rows(self, table):
        """All rows of a table as its files hold them, by its key, without the fine cell."""
        files = [read_segment(path) for path in self.segments(table)]
        rows = pyarrow.concat_tables(files).sort_by(KEYS[table])
        return rows.drop_columns([FINE_CELL]) if FINE_CELL in rows.column_names else rows

    @functools.cached_property
    def cluster(self):
        """The same sky on three worker processes, started when it is asked for."""
        return self.closing.enter_context(Cluster.served(self))

    @functools.cached_property
    def duckdb(self):
        """DuckDB over the files, with the tables under the names that a query has for them."""
        connection = duckdb.connect()
        connection.execute("CREATE SCHEMA demo")
        for table in TABLES:
            files = [str(path) for path in self.segments(table)]
            connection.execute(
                f"CREATE VIEW demo.{table} AS SELECT * FROM read_parquet({files!r}, hive_partitioning = false)"
            )
        connection.execute(DISTANCE_MACRO)
        return connection


def read_segment(path):
    """The rows of one file and nothing from its path."""
    return pyarrow.parquet.ParquetFile(path).read()


def chunk_of(path):
    """HEALPix order and cell of a segment, from its path."""
    order, cell = (re.search(rf"/{name}=(\d+)/", str(path)) for name in ("Norder", "Npix"))
    return int(order.group(1)), int(cell.group(1))


def positions(table):
    """Right ascension and declination of the rows of a table, degrees."""
    return tuple(table[name].to_numpy().astype(numpy.float64) for name in ("coord_ra", "coord_dec"))


# The haversine form: exact enough where positions are close, and not the formula that the server uses.
DISTANCE_MACRO = """
CREATE MACRO haversine(ra1, dec1, ra2, dec2) AS 2 * degrees(asin(least(1, sqrt(
    pow(sin(radians(dec2 - dec1) / 2), 2)
    + cos(radians(dec1)) * cos(radians(dec2)) * pow(sin(radians(ra2 - ra1) / 2), 2)))))
"""
