"""Puts a served sample sky under load and tells what it took: time, the server's memory, and whether every answer was right.

First a result of a million rows in each format, read back by astropy and pyarrow and compared with the files of the sky. Then many
clients at once, a third of which vanish half way.
"""

import argparse
import http.client
import io
import pathlib
import random
import sys
import tempfile
import threading
import time
import urllib.parse

import astropy.table
import numpy
import pyarrow
import requests
from astropy.io.votable import parse_single_table

import formats_checks
from operation_checks import metrics, server
from sky import SampleSky

COLUMNS = "sourceId, objectId, visit, detector, coord_ra, coord_dec, psfFlux, snr"
FORMATS = ("votable/b2", "votable/b", "votable/td", "csv", "tsv", "fits", "json", "parquet", "arrow")
MIB = 1 << 20
# Stands for NULL in whole numbers.
NULL = -1
READ_BYTES = 1 << 20

# What clients ask, with how many of a hundred ask it.
QUESTIONS = [
    (50, "SELECT * FROM demo.Object WHERE objectId = {key}"),
    (20, "SELECT objectId, coord_ra, coord_dec FROM demo.Object WHERE CONTAINS(POINT(coord_ra, coord_dec), CIRCLE({ra}, {dec}, 0.5)) = 1"),
    (15, "SELECT sourceId, psfFlux FROM demo.Source WHERE objectId = {key}"),
    (10, "SELECT band, COUNT(*) AS n, AVG(psfFlux) AS flux FROM demo.Source GROUP BY band"),
    (5, f"SELECT TOP 200000 {COLUMNS} FROM demo.Source"),
]


class Memory:
    """The server's memory, looked at all the time."""

    def __init__(self, sky):
        self.sky, self.peak, self.stopped = sky, 0, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def now(self):
        return metrics(self.sky)[("process_resident_memory_bytes",)]

    def look(self):
        while not self.stopped.wait(0.2):
            try:
                self.peak = max(self.peak, self.now())
            except requests.RequestException:
                pass

    def __enter__(self):
        self.peak = self.now()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


def read_back(response_format, body, schema):
    """An answer as columns of numpy, by readers that others wrote."""
    if response_format.startswith("votable"):
        rows = parse_single_table(io.BytesIO(body)).to_table()
    elif response_format == "fits":
        rows = formats_checks.read_fits(body)
    elif response_format == "json":
        rows = formats_checks.read_json(body)
    else:
        rows = formats_checks.ARROW_READERS[response_format](body, schema)
    if isinstance(rows, pyarrow.Table):
        return values_of(rows)
    if isinstance(rows, astropy.table.Table):
        columns = {name: numpy.ma.asarray(rows[name]) for name in rows.colnames}
        return {name: column.filled(numpy.nan if column.dtype.kind == "f" else NULL) for name, column in columns.items()}
    raise TypeError(type(rows))


def values_of(rows):
    """The columns of an Arrow table; what is NULL is NaN, or in whole numbers what no column holds."""
    return {
        name: rows[name].fill_null(numpy.nan if pyarrow.types.is_floating(rows[name].type) else NULL).to_numpy()
        for name in rows.column_names
    }


def large_results(sky, rows):
    """Each format once: seconds, bytes, the server's memory before and at its highest."""
    true_rows = sky.rows("Source").select(COLUMNS.split(", "))
    expected = values_of(true_rows)
    order = numpy.argsort(expected["sourceId"])
    query = f"SELECT TOP {rows} {COLUMNS} FROM demo.Source"
    print(f"{'format':<12} {'seconds':>8} {'MiB':>8} {'MiB/s':>8} {'memory before':>14} {'at most':>9}  equal", flush=True)
    is_right = True
    for response_format in FORMATS:
        data = urllib.parse.urlencode({"LANG": "ADQL", "QUERY": query, "FORMAT": response_format})
        with Memory(sky) as memory:
            before, began, body = memory.peak, time.monotonic(), io.BytesIO()
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": "identity"}
            with requests.post(f"{sky.tap_url}/sync", data=data, headers=headers, stream=True, timeout=600) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_content(READ_BYTES):
                    body.write(chunk)
            seconds = time.monotonic() - began
        body = body.getvalue()
        found = read_back(response_format, body, true_rows.schema)
        at = numpy.searchsorted(expected["sourceId"], found["sourceId"], sorter=order)
        at = order[numpy.minimum(at, len(order) - 1)]
        equal = len(found["sourceId"]) == min(rows, len(order)) and all(
            numpy.array_equal(found[name], expected[name][at], equal_nan=found[name].dtype.kind == "f") for name in expected
        )
        is_right &= equal
        size = len(body) / MIB
        print(
            f"{response_format:<12} {seconds:>8.2f} {size:>8.1f} {size / seconds:>8.1f} {before / MIB:>10.0f} MiB {memory.peak / MIB:>5.0f} MiB  {equal}",
            flush=True,
        )
    return is_right


class Client(threading.Thread):
    """Asks one query after another; one who vanishes goes away in the middle of an answer, without a word."""

    def __init__(self, sky, number, end, vanishes_at, keys):
        super().__init__(daemon=True)
        self.netloc = urllib.parse.urlsplit(sky.tap_url).netloc
        self.random, self.end, self.vanishes_at, self.keys = random.Random(number), end, vanishes_at, keys
        self.outcomes, self.seconds = {}, []

    def run(self):
        while time.monotonic() < self.end:
            outcome = self.ask()
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
            if outcome == "vanished":
                return
            if outcome in ("503", "429"):
                time.sleep(1)

    def ask(self):
        weights, texts = zip(*QUESTIONS)
        text = self.random.choices(texts, weights)[0]
        text = text.format(key=self.random.choice(self.keys), ra=self.random.uniform(0, 360), dec=self.random.uniform(-60, 60))
        began = time.monotonic()
        connection = http.client.HTTPConnection(self.netloc, timeout=300)
        try:
            body = urllib.parse.urlencode({"LANG": "ADQL", "QUERY": text, "FORMAT": "csv"})
            connection.request("POST", "/tap/sync", body, {"Content-Type": "application/x-www-form-urlencoded"})
            if self.vanishes_at is not None and time.monotonic() > self.vanishes_at:
                return "vanished"
            answer = connection.getresponse()
            if answer.status in (503, 429):
                answer.read()
                return str(answer.status) if answer.headers["Retry-After"] else "a refusal without Retry-After"
            if answer.status != 200:
                return f"status {answer.status}: {answer.read()[:200]!r}"
            while answer.read(READ_BYTES):
                if self.vanishes_at is not None and time.monotonic() > self.vanishes_at:
                    return "vanished"
            self.seconds.append(time.monotonic() - began)
            return "answered"
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            connection.close()


def many_clients(sky, clients, seconds):
    """Clients for a while, a third of which vanish half way."""
    keys = sky.rows("Object")["objectId"].to_pylist()
    with Memory(sky) as memory:
        before, now = memory.peak, time.monotonic()
        crowd = [
            Client(sky, number, now + seconds, now + seconds / 2 if number % 3 == 0 else None, keys) for number in range(clients)
        ]
        for client in crowd:
            client.start()
        for client in crowd:
            client.join()
        until = time.monotonic() + 60
        while metrics(sky)[("qserv_queries_running", ("mode", "sync"))] > 0 and time.monotonic() < until:
            time.sleep(0.2)
        running = metrics(sky)[("qserv_queries_running", ("mode", "sync"))]
        time.sleep(5)
        after = memory.now()
    outcomes = {}
    for client in crowd:
        for outcome, count in client.outcomes.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count
    taken = sorted(value for client in crowd for value in client.seconds)
    print(f"\n{clients} clients for {seconds} s: {dict(sorted(outcomes.items()))}")
    if taken:
        shares = {share: taken[min(len(taken) - 1, int(share * len(taken)))] for share in (0.5, 0.9, 0.99)}
        print("seconds of an answer: " + ", ".join(f"{share:.0%} within {value:.3f}" for share, value in shares.items()))
    print(f"memory: {before / MIB:.0f} MiB before, {memory.peak / MIB:.0f} at most, {after / MIB:.0f} after; {running:.0f} queries still run")
    return set(outcomes) <= {"answered", "vanished", "503", "429"} and running == 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--program", required=True, type=pathlib.Path)
    arguments.add_argument("--objects", type=int, default=120_000, help="there are about nine times as many sources")
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--clients", type=int, default=200)
    arguments.add_argument("--seconds", type=int, default=60)
    arguments = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="qserv-load-") as folder:
        with SampleSky.served(arguments.program, pathlib.Path(folder), arguments.objects) as sky:
            print(f"{server(sky)}: {len(sky.rows('Source'))} sources")
            is_right = large_results(sky, arguments.rows)
            is_right &= many_clients(sky, arguments.clients, arguments.seconds)
    print("all answers were right" if is_right else "SOMETHING WAS WRONG")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
