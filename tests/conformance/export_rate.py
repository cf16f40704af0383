"""How fast the rows of demo.Source leave one, two and three workers, beside pyarrow.flight that serves them from memory and beside
reading the stored files."""

import argparse
import concurrent.futures
import contextlib
import multiprocessing
import pathlib
import tempfile
import threading
import time

import pyarrow
import pyarrow.flight
import pyarrow.parquet

from cluster import Cluster, free_port
from flight_checks import descriptor
from sky import FINE_CELL, SampleSky

QUERY = "SELECT * FROM demo.Source"
REPEATS = 3
SAMPLE_S = 0.05


class Memory(pyarrow.flight.FlightServerBase):
    """Serves one table from memory, as one stream or as several slices of it."""

    def __init__(self, location, table):
        super().__init__(location)
        self.table = table

    def do_get(self, context, ticket):
        part, parts = map(int, ticket.ticket.split(b"/"))
        rows = self.table.num_rows
        first, last = rows * part // parts, rows * (part + 1) // parts
        return pyarrow.flight.RecordBatchStream(self.table.slice(first, last - first))


def serve_memory(location, path):
    Memory(location, pyarrow.ipc.open_file(path).read_all()).serve()


@contextlib.contextmanager
def memory_server(table):
    """The server in a process of its own."""
    location = f"grpc://127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "table.arrow")
        with pyarrow.ipc.new_file(path, table.schema) as file:
            file.write_table(table, max_chunksize=64 << 10)
        process = multiprocessing.get_context("spawn").Process(target=serve_memory, args=(location, path), daemon=True)
        process.start()
        try:
            with pyarrow.flight.connect(location) as client:
                client.wait_for_available(60)
            yield location
        finally:
            process.terminate()
            process.join()


def count_rows(reader):
    """The rows of a stream, none of which is kept."""
    return sum(chunk.data.num_rows for chunk in reader)


def read_memory(location, parts):
    def read(part):
        with pyarrow.flight.connect(location) as client:
            return count_rows(client.do_get(pyarrow.flight.Ticket(f"{part}/{parts}".encode())))

    with concurrent.futures.ThreadPoolExecutor(parts) as pool:
        return sum(pool.map(read, range(parts)))


def read_endpoints(url):
    """All endpoints at once, each from its first place."""

    def read(endpoint):
        place = endpoint.locations[0] if endpoint.locations else url
        with pyarrow.flight.connect(place) as client:
            return count_rows(client.do_get(endpoint.ticket))

    with pyarrow.flight.connect(url) as czar:
        endpoints = czar.get_flight_info(descriptor(QUERY)).endpoints
    with concurrent.futures.ThreadPoolExecutor(len(endpoints)) as pool:
        return sum(pool.map(read, endpoints))


def read_files(paths):
    columns = [name for name in pyarrow.parquet.read_schema(paths[0]).names if name != FINE_CELL]
    return sum(pyarrow.parquet.ParquetFile(path).read(columns).num_rows for path in paths)


def export(cluster, output_format):
    with tempfile.TemporaryDirectory() as folder:
        cluster.export("demo.Source", folder, output_format)


def best(action, rows):
    """Rows a second of the fastest of some runs."""
    times = []
    for _ in range(REPEATS):
        began = time.monotonic()
        found = action()
        times.append(time.monotonic() - began)
        assert found in (None, rows), (found, rows)
    return rows / min(times)


class Memories:
    """The largest resident memory that processes have while they are watched, in MB."""

    def __init__(self, processes):
        self.processes, self.most, self.ended = processes, {}, threading.Event()
        self.watch = threading.Thread(target=self.look, daemon=True)

    def look(self):
        while not self.ended.wait(SAMPLE_S):
            for name, process in self.processes.items():
                with contextlib.suppress(OSError):
                    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
                    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
                    self.most[name] = max(self.most.get(name, 0), kilobytes // 1024)

    def __enter__(self):
        self.watch.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.watch.join()


def tell(name, rate, note=""):
    print(f"{name:45} {rate / 1e6:8.2f} M rows/s  {note}", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--program", required=True, type=pathlib.Path)
    arguments.add_argument("--objects", type=int, default=200_000)
    arguments = arguments.parse_args()
    program = arguments.program.resolve()
    with tempfile.TemporaryDirectory(prefix="qserv-rate-") as folder:
        with SampleSky.served(program, pathlib.Path(folder), arguments.objects) as sky:
            table, paths = sky.rows("Source"), sky.segments("Source")
            rows = table.num_rows
            print(f"{rows} rows of {table.num_columns} columns, {table.nbytes / rows:.0f} bytes each", flush=True)
            with memory_server(table) as location:
                for parts in (1, 4):
                    tell(f"pyarrow.flight from memory, {parts} streams", best(lambda: read_memory(location, parts), rows))
            tell("the stored files, read by pyarrow", best(lambda: read_files(paths), rows))
            for workers in (1, 2, 3):
                with Cluster.served(sky, workers) as cluster, Memories(cluster.processes) as memories:
                    rate = best(lambda: read_endpoints(cluster.flight_url), rows)
                    tell(f"{workers} workers, read by pyarrow.flight", rate)
                    for output_format in ("arrow", "parquet"):
                        rate = best(lambda: export(cluster, output_format), rows)
                        tell(f"{workers} workers, qserv export to {output_format}", rate)
                    time.sleep(2 * SAMPLE_S)
                    print(f"    most memory, MB: {memories.most}", flush=True)


if __name__ == "__main__":
    main()
