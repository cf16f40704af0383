"""A czar and three workers as processes of their own, with the sample sky on two of them each."""

import contextlib
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import pyarrow.parquet

HERE = pathlib.Path(__file__).parent
DECLARATIONS = HERE.parents[1] / "qserv" / "cli" / "src" / "demo" / "sky"
SECRET = "correct-horse-battery"
WORKERS = 3
READY_TIMEOUT_S = 120


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Cluster:
    """Running processes; ended with the block that started them."""

    def __init__(self, program, folder, workers):
        self.program, self.folder, self.workers = program, folder, workers
        self.czar_url = f"http://127.0.0.1:{free_port()}"
        self.flight_url = f"grpc://127.0.0.1:{free_port()}"
        self.processes = {}

    @classmethod
    @contextlib.contextmanager
    def served(cls, sky, workers=WORKERS):
        """Starts them and loads the rows of another server's sky."""
        with tempfile.TemporaryDirectory(prefix="qserv-cluster-") as folder:
            cluster = cls(sky.program, pathlib.Path(folder), workers)
            try:
                cluster.start()
                cluster.load(sky)
                yield cluster
            finally:
                for process in cluster.processes.values():
                    process.terminate()
                for process in cluster.processes.values():
                    process.wait(READY_TIMEOUT_S)
            errors = [line for log in cluster.folder.glob("*.log") for line in log.read_text().splitlines() if "panicked" in line]
            if errors:
                raise RuntimeError("qserv panicked:\n" + "\n".join(errors))

    def start(self):
        listen = {"czar": self.czar_url.removeprefix("http://"), "flight": self.flight_url.removeprefix("grpc://")}
        czar = (
            f'[czar]\nlisten = "{listen["czar"]}"\ndata_dir = "{self.folder}/czar"\nsecret = "{SECRET}"\n'
            f'[flight]\nlisten = "{listen["flight"]}"\n[ingest]\nreplication = {min(2, self.workers)}\n'
            "[czar.membership]\nheartbeat_interval_ms = 200\nworker_timeout_ms = 2000\n"
        )
        self.launch("czar", "czar", czar)
        self.wait("/tap/availability", lambda body: "true" in body)
        for number in range(self.workers):
            self.start_worker(number)
        self.wait("/health/ready", lambda body: f'"workers":{self.workers}' in body.replace(" ", ""))

    def start_worker(self, number):
        worker = (
            f'[worker]\nid = "w{number}"\nlisten = "127.0.0.1:{free_port()}"\ndata_dir = "{self.folder}/w{number}"\n'
            f'czar_url = "{self.czar_url}/"\nsecret = "{SECRET}"\n'
        )
        self.launch(f"w{number}", "worker", worker)

    def launch(self, name, command, config):
        path = self.folder / f"{name}.toml"
        path.write_text(config)
        with (self.folder / f"{name}.log").open("w") as log:
            self.processes[name] = subprocess.Popen([self.program, command, "--config", path], stdout=log, stderr=log)

    def wait(self, path, is_ready):
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            try:
                with urllib.request.urlopen(self.czar_url + path, timeout=READY_TIMEOUT_S) as answer:
                    if is_ready(answer.read().decode()):
                        return
            except (urllib.error.URLError, ConnectionError):
                pass
            if time.monotonic() > deadline:
                raise RuntimeError(f"the cluster is not ready:\n{(self.folder / 'czar.log').read_text()}")
            time.sleep(0.1)

    def qserv(self, *arguments):
        command = [self.program, *arguments, "--server", self.czar_url]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def export(self, what, folder, output_format):
        """All rows of a table in files."""
        command = [self.program, "export", what, "--to", folder, "--format", output_format, "--flight", self.flight_url]
        subprocess.run(command, check=True, capture_output=True)

    def load(self, sky):
        layout = self.folder / "layout.toml"
        tables = (DECLARATIONS / "demo.tables.toml").read_text()
        layout.write_text(f'[database]\nname = "demo"\noverlap_arcsec = 60.0\n\n{tables}')
        self.qserv("database", "create", "demo", "--schema", DECLARATIONS / "demo.felis.yaml", "--layout", layout)
        for table in ("Object", "Source", "ForcedSource", "Visit", "Filter"):
            path = self.folder / f"{table}.parquet"
            pyarrow.parquet.write_table(sky.rows(table), path)
            self.qserv("load", f"demo.{table}", path)
