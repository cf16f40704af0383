"""What operators and browsers see of a running server: health, metrics, limits, pages of other origins."""

import socket
import time
import urllib.parse

import requests
from prometheus_client.parser import text_string_to_metric_families

from pyvo_checks import ENDLESS

TIMEOUT_S = 60


def server(sky):
    """The server's address, without /tap."""
    return sky.tap_url.removesuffix("/tap")


def metrics(sky):
    """All samples by their names and labels, as Prometheus' own reader reads them."""
    answer = requests.get(f"{server(sky)}/metrics", timeout=TIMEOUT_S)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4", answer.headers
    families = text_string_to_metric_families(answer.text)
    return {(sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples}


def check_health(sky):
    """live and ready"""
    assert requests.get(f"{server(sky)}/health/live", timeout=TIMEOUT_S).text == "ok\n"
    for path in ("/health", "/health/ready"):
        answer = requests.get(server(sky) + path, timeout=TIMEOUT_S)
        assert answer.status_code == 200 and answer.json()["ready"] is True and answer.json()["workers"] > 0, answer.text


def check_metrics(sky):
    """a query is counted with its rows and bytes, and memory is told"""
    before = metrics(sky)
    body, _ = sky.fetch("SELECT objectId FROM demo.Object", FORMAT="csv")
    sky.fetch("SELECT nosuch FROM demo.Object")
    after = metrics(sky)

    def grown(name, **labels):
        key = (name, *sorted(labels.items()))
        return after[key] - before.get(key, 0)

    assert grown("qserv_queries_total", mode="sync", outcome="ok") == 1
    assert grown("qserv_queries_total", mode="sync", outcome="invalid") == 1
    assert grown("qserv_rows_total", mode="sync") == 3000
    assert grown("qserv_bytes_total", mode="sync") == len(body)
    assert grown("qserv_query_seconds_count", mode="sync") == 2
    assert grown("qserv_http_requests_total", route="/tap/sync", method="POST", status="200") == 1
    assert grown("qserv_http_requests_total", route="/tap/sync", method="POST", status="400") == 1
    assert after[("qserv_queries_running", ("mode", "sync"))] == 0
    assert after[("process_resident_memory_bytes",)] > 10e6


def check_vanished_client(sky):
    """a client that goes away ends its query"""
    host, port = urllib.parse.urlsplit(sky.tap_url).netloc.split(":")
    gone = ("qserv_queries_total", ("mode", "sync"), ("outcome", "client_gone"))
    before = metrics(sky).get(gone, 0)
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as client:
        query = urllib.parse.urlencode({"QUERY": ENDLESS, "LANG": "ADQL"})
        client.sendall(f"GET /tap/sync?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        wait_until(lambda: metrics(sky)[("qserv_queries_running", ("mode", "sync"))] == 1)
    wait_until(lambda: metrics(sky)[("qserv_queries_running", ("mode", "sync"))] == 0)
    assert metrics(sky)[gone] == before + 1


def check_slow_client(sky):
    """a client that reads nothing of a long answer is given up, and its query with it"""
    host, port = urllib.parse.urlsplit(sky.tap_url).netloc.split(":")
    # Far more than the buffers of a connection hold.
    query = "SELECT a.*, b.* FROM demo.Source AS a, demo.Visit AS b"
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as client:
        parameters = urllib.parse.urlencode({"QUERY": query, "LANG": "ADQL", "FORMAT": "csv"})
        client.sendall(f"GET /tap/sync?{parameters} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        began = time.monotonic()
        wait_until(lambda: metrics(sky)[("qserv_queries_running", ("mode", "sync"))] == 1)
        wait_until(lambda: metrics(sky)[("qserv_queries_running", ("mode", "sync"))] == 0)
        assert 5 < time.monotonic() - began < 40, time.monotonic() - began


def wait_until(condition):
    until = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


def check_cross_origin(sky):
    """a page of another origin may ask, and no cookies are asked for"""
    origin = {"Origin": "https://portal.example.org"}
    preflight = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-requested-with"}
    asked = requests.options(f"{sky.tap_url}/sync", headers=preflight, timeout=TIMEOUT_S)
    assert asked.ok and asked.headers["Access-Control-Allow-Origin"] == "*", asked.headers
    assert "POST" in asked.headers["Access-Control-Allow-Methods"], asked.headers
    answer = requests.post(
        f"{sky.tap_url}/sync", data={"QUERY": "SELECT filterId FROM demo.Filter", "LANG": "ADQL"}, headers=origin, timeout=TIMEOUT_S
    )
    assert answer.ok and answer.headers["Access-Control-Allow-Origin"] == "*", answer.headers
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "x-query-id" in answer.headers["Access-Control-Expose-Headers"].lower()
    # Loading is for programs only.
    api = requests.get(f"{server(sky)}/api/v1/databases", headers=origin, timeout=TIMEOUT_S)
    assert api.ok and "Access-Control-Allow-Origin" not in api.headers
