#!/usr/bin/env python3
"""How long look-ups take while others are busy, on a server that holds the benchmark's catalog (see `beside_peers.py`).

    under_load.py [--url http://127.0.0.1:8390/tap] [--seconds 5]

Four figures: look-ups alone; while eight clients repeat full scans whose filters are new each time; a hundred clients that look up, all at
once; one full scan and thirty of the same at once. A look-up asks for an object that nobody asked for before.
"""

import argparse
import http.client
import itertools
import random
import statistics
import sys
import threading
import time
import urllib.parse


SEEDS = itertools.count(int(time.time()))


class Client:
    """A kept-alive connection that asks in ADQL."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)
        self.path = parts.path + "/sync"

    def ask(self, query):
        """The answer, and the milliseconds that it took."""
        body = urllib.parse.urlencode({"REQUEST": "doQuery", "LANG": "ADQL", "RESPONSEFORMAT": "csv", "QUERY": query})
        began = time.perf_counter()
        self.connection.request("POST", self.path, body, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {content[:300]!r}")
        return content, (time.perf_counter() - began) * 1000


class Lookups:
    """Queries by key, of a light curve and of a small cone, about objects at random."""

    def __init__(self, url):
        content, _ = Client(url).ask("SELECT objectId, ra, dec FROM lsst.object WHERE MOD(objectId, 97) = 3")
        rows = [line.split(",") for line in content.decode().split()[1:]]
        self.objects = [(int(key), float(ra), float(dec)) for key, ra, dec in rows]

    def one(self, choose):
        key, ra, dec = choose.choice(self.objects)
        return choose.choice([
            f"SELECT * FROM lsst.object WHERE objectId = {key}",
            f"SELECT midpointMjdTai, band, psfFlux, psfFluxErr FROM lsst.source WHERE objectId = {key}",
            f"SELECT objectId, ra, dec, g_psfFlux FROM lsst.object WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE({ra}, {dec}, 0.0167))",
        ])


def repeat(url, clients, seconds, next_query, stop=None):
    """Milliseconds of all queries that so many clients ask, one after the other each."""
    times, failures = [], []
    until = time.monotonic() + seconds

    def work():
        client, choose = Client(url), random.Random(next(SEEDS))
        try:
            while time.monotonic() < until and not (stop and stop.is_set()):
                times.append(client.ask(next_query(choose))[1])
        except (OSError, RuntimeError, http.client.HTTPException) as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(f"{len(failures)} clients failed, one with {failures[0]}")
    return times


def told(times):
    times = sorted(times)
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))]
    return f"{len(times)} answered; median {statistics.median(times):.1f} ms, 95 % within {at(0.95):.1f}, longest {times[-1]:.1f}"


def scan(choose):
    """A full scan of ten million rows whose filter nobody remembers."""
    return f"SELECT COUNT(*) AS n FROM lsst.source WHERE psfFlux > {choose.uniform(1000, 5000)} AND psfFluxErr < {choose.uniform(100, 200)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8390/tap")
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    url, seconds = arguments.url, arguments.seconds
    lookups = Lookups(url)
    repeat(url, 1, 1, scan)
    repeat(url, 1, seconds, lookups.one)

    alone = repeat(url, 1, seconds, lookups.one)
    print("look-ups, nothing else:              ", told(alone), flush=True)
    stop, scans = threading.Event(), []
    scanning = threading.Thread(target=lambda: scans.extend(repeat(url, 8, 600, scan, stop)))
    scanning.start()
    busy = repeat(url, 1, seconds, lookups.one)
    stop.set()
    scanning.join()
    print("look-ups beside eight scanners:      ", told(busy), flush=True)
    print("  the scans:                         ", told(scans), flush=True)
    print("a hundred clients that look up:      ", told(repeat(url, 100, seconds, lookups.one)), flush=True)

    one = min(repeat(url, 1, seconds / 2, scan))
    choose = random.Random(next(SEEDS))
    for _ in range(3):
        same = scan(choose)
        began = time.perf_counter()
        thirty = [threading.Thread(target=lambda: Client(url).ask(same)) for _ in range(30)]
        for thread in thirty:
            thread.start()
        for thread in thirty:
            thread.join()
        together = (time.perf_counter() - began) * 1000
        print(f"one scan {one:.0f} ms, thirty of the same at once {together:.0f} ms: {together / one:.1f} times", flush=True)


if __name__ == "__main__":
    main()
