#!/usr/bin/env python3
"""Asks the benchmark's queries of this server, in one process or in several, beside its peers, in one run.

    beside_peers.py --benchmark DIR --data DIR --work DIR [--workers N] [--contestants a,b,tap] [what run.py takes]

The benchmark (`gen.py`, `run.py`, contestants; its README names the Python packages and servers that it wants) makes the data, asks
every contestant, and checks that their answers agree. This script starts the server, loads the benchmark's tables where the folder of
work does not hold them yet, and tells the benchmark where it listens. With `--workers`, a czar and so many workers are processes of
their own; without, one process is all. Run it with the benchmark's Python.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pyarrow.parquet

ROOT = pathlib.Path(__file__).parents[2]
READY_TIMEOUT_S = 60
FIRST_PORT = 8390
TYPES = {"bool": "boolean", "int32": "int", "int64": "long", "float": "float", "double": "double", "string": "char"}
KEYS = {"object": "objectId", "source": "sourceId", "user100k": "uid"}
LAYOUT = """
[database]
name = "{name}"
overlap_arcsec = 60.0

[tables.object]
kind = "director"
key = "objectId"
position = ["ra", "dec"]
"""
MORE_TABLES = """
[tables.source]
kind = "child"
director = "object"
director_key = "objectId"
position = ["ra", "dec"]
"""


def schema(database, tables):
    """The Felis schema of tables that are Parquet files."""
    lines = [f"name: {database}", f'"@id": "#{database}"', "tables:"]
    for table, path in tables.items():
        key = KEYS[table]
        lines += [f"- name: {table}", f'  "@id": "#{table}"', f'  primaryKey: "#{table}.{key}"', "  columns:"]
        for field in pyarrow.parquet.read_schema(path):
            datatype = TYPES[str(field.type)] + (", length: 1" if str(field.type) == "string" else "")
            nullable = "false" if field.name in (key, "ra", "dec") else "true"
            column = f'name: {field.name}, "@id": "#{table}.{field.name}", datatype: {datatype}, nullable: {nullable}'
            lines.append(f"  - {{{column}}}")
    return "\n".join(lines) + "\n"


class Server:
    """The processes of the server."""

    def __init__(self, program, folder, workers):
        self.program, self.folder, self.workers = program, folder, workers
        self.url = f"http://127.0.0.1:{FIRST_PORT}"
        self.flight = f"127.0.0.1:{FIRST_PORT + 1}"
        self.processes = []

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        secret = 'secret = "of-the-benchmark"\n'
        listen = f'[czar]\nlisten = "127.0.0.1:{FIRST_PORT}"\n[flight]\nlisten = "{self.flight}"\n'
        if not self.workers:
            self.launch("up", f'[up]\ndata_dir = "{self.folder}/up"\nworkers = 1\n' + listen)
        else:
            czar = listen.replace("[flight]", f'data_dir = "{self.folder}/czar"\n{secret}[flight]')
            self.launch("czar", czar + "[ingest]\nreplication = 1\n")
        self.wait("/tap/availability", lambda body: "true" in body)
        for number in range(self.workers):
            address = f'id = "w{number}"\nlisten = "127.0.0.1:{FIRST_PORT + 2 + number}"\nczar_url = "{self.url}/"\n'
            self.launch("worker", f'[worker]\n{address}data_dir = "{self.folder}/w{number}"\n{secret}')
        self.wait("/health/ready", lambda body: f'"workers":{self.workers or 1}' in body.replace(" ", ""))

    def launch(self, command, config):
        name = f"{command}{len(self.processes)}"
        (self.folder / f"{name}.toml").write_text(config)
        with (self.folder / f"{name}.log").open("w") as log:
            command = [self.program, command, "--config", self.folder / f"{name}.toml"]
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def wait(self, path, is_ready):
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self.url + path, timeout=READY_TIMEOUT_S) as answer:
                    if is_ready(answer.read().decode()):
                        return
            except (urllib.error.URLError, ConnectionError):
                pass
            time.sleep(0.1)
        raise RuntimeError(f"the server is not ready; its logs are in {self.folder}")

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(READY_TIMEOUT_S)

    def qserv(self, *arguments):
        subprocess.run([self.program, *arguments, "--server", self.url], check=True)

    def create(self, name, tables, layout):
        (self.folder / f"{name}.yaml").write_text(schema(name, tables))
        (self.folder / f"{name}.toml").write_text(layout)
        self.qserv("database", "create", name, "--schema", self.folder / f"{name}.yaml", "--layout", self.folder / f"{name}.toml")

    def load(self, data):
        """The benchmark's tables; told, so that figures of the load are on record."""
        tables = {
            "object": data / "sorted" / "object.parquet",
            "source": data / "sorted" / "source.parquet",
            "user100k": data / "user100k.parquet",
        }
        self.create("lsst", tables, LAYOUT.format(name="lsst") + MORE_TABLES)
        for table, path in tables.items():
            began = time.monotonic()
            self.qserv("load", f"lsst.{table}", path)
            print(f"loaded {table} in {time.monotonic() - began:.1f} s", flush=True)

    def prepare_ingest(self, data):
        """The shell command that loads the CSV file `$CSV` into a database of its own."""
        subprocess.run([self.program, "database", "drop", "fresh", "--server", self.url], capture_output=True)
        self.create("fresh", {"object": data / "sorted" / "object.parquet"}, LAYOUT.format(name="fresh"))
        return f'{self.program} load fresh.object "$CSV" --server {self.url}'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--benchmark", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "target" / "release" / "qserv")
    parser.add_argument("--workers", type=int, default=0, help="processes of workers; 0: one process for all")
    arguments, rest = parser.parse_known_args()
    folder = arguments.work.absolute() / (f"qserv-{arguments.workers}-workers" if arguments.workers else "qserv")
    is_new = not folder.exists()
    server = Server(arguments.program.absolute(), folder, arguments.workers)
    try:
        server.start()
        if is_new:
            server.load(arguments.data.absolute())
        environment = {
            **os.environ,
            "PERF_TAP_URL": f"{server.url}/tap",
            "PERF_TAP_SCHEMA": "lsst.",
            "PERF_TAP_UPLOAD": os.environ.get("PERF_TAP_UPLOAD", "parquet"),
            "PERF_FLIGHT_URI": f"grpc://{server.flight}",
            "PERF_FLIGHT_LANG": "adql",
            "PERF_FLIGHT_SCHEMA": "lsst.",
            "PERF_PIDS": ",".join(str(process.pid) for process in server.processes),
        }
        if "IN1" in " ".join(rest) or "--queries" not in rest:
            environment["PERF_INGEST_CMD"] = server.prepare_ingest(arguments.data.absolute())
        run = [sys.executable, arguments.benchmark / "run.py", "--data", arguments.data, "--work", arguments.work, *rest]
        return subprocess.run(run, env=environment).returncode
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
