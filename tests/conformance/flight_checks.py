"""Arrow Flight SQL as the drivers of others see it: over one process, and over three workers that hand out their rows themselves."""

import functools
import hashlib
import json
import pathlib
import subprocess
import tempfile
import threading
import time
import tomllib

import adbc_driver_manager
import pyarrow
import pyarrow.compute
import pyarrow.flight
import pyarrow.parquet
from adbc_driver_flightsql import DatabaseOptions
from adbc_driver_flightsql import dbapi

from answers_checks import ANSWERS
from operation_checks import metrics, wait_until
from pyvo_checks import ENDLESS
from values import assert_same_answer

# What the service must never tell.
INTERNAL = ("DataFusion", "datafusion", "arrow error", "panicked", ".rs:", "qserv-error:", "PhysicalPlan")
ROWS_IN_PARTS = "SELECT sourceId, objectId, band, psfFlux FROM demo.Source WHERE snr > 5"


def connected(url, **headers):
    options = {f"{DatabaseOptions.RPC_CALL_HEADER_PREFIX.value}{name}": value for name, value in headers.items()}
    return dbapi.connect(url, db_kwargs=options, autocommit=True)


def fetched(connection, query, parameters=None):
    """The whole answer as an Arrow table, by the driver."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetch_arrow_table()


def rows(table):
    # Columns of the same name are allowed.
    return list(zip(*(column.to_pylist() for column in table.columns)))


def descriptor(query):
    return pyarrow.flight.FlightDescriptor.for_command(query)


def read_parts(url, query, **headers):
    """The rows of each endpoint from the first of its places, by pyarrow; those of the service itself where it has none."""
    options = pyarrow.flight.FlightCallOptions(
        headers=[(name.encode(), value.encode()) for name, value in headers.items()]
    )
    with pyarrow.flight.connect(url) as czar:
        info = czar.get_flight_info(descriptor(query), options)
        parts = []
        for endpoint in info.endpoints:
            if endpoint.locations:
                with pyarrow.flight.connect(endpoint.locations[0]) as worker:
                    parts.append(worker.do_get(endpoint.ticket, options).read_all())
            else:
                parts.append(czar.do_get(endpoint.ticket, options).read_all())
    return info, parts


def services(sky):
    return {"one process": sky.flight_url, "three workers": sky.cluster.flight_url}


def checks(sky):
    """Every query that DuckDB judges."""
    for entry in tomllib.loads(ANSWERS.read_text())["answer"]:
        yield f"ADBC, {entry['name']}", functools.partial(compare, entry)


def compare(entry, sky):
    true_rows = sky.duckdb.execute(entry.get("sql", entry["adql"])).fetchall()
    for url in services(sky).values():
        with connected(url) as connection:
            answered = rows(fetched(connection, entry["adql"]))
        assert_same_answer(answered, true_rows, entry.get("ordered", False))


def check_parts(sky):
    """all workers hand out rows, each row once, and together they are the table's"""
    table = sky.rows("Source")
    right = table.filter(pyarrow.compute.greater(table["snr"], 5)).select(["sourceId", "objectId", "band", "psfFlux"])
    right = right.sort_by("sourceId")
    for name, url in services(sky).items():
        info, parts = read_parts(url, ROWS_IN_PARTS)
        found = pyarrow.concat_tables(parts).sort_by("sourceId")
        assert found.to_pylist() == right.to_pylist(), name
        places = {str(endpoint.locations[0]) for endpoint in info.endpoints if endpoint.locations}
        assert len(places) == (3 if name == "three workers" else 0), places
        assert name == "one process" or all(len(endpoint.locations) > 1 for endpoint in info.endpoints)
        again = read_parts(url, ROWS_IN_PARTS)[1]
        assert [part.num_rows for part in again] == [part.num_rows for part in parts]


def check_compression(sky):
    """rows come compressed as the client wishes, and are the same"""
    for url in services(sky).values():
        plain = read_parts(url, ROWS_IN_PARTS)[1]
        for word in ("zstd", "lz4", "none"):
            assert read_parts(url, ROWS_IN_PARTS, **{"qserv-compression": word})[1] == plain, word
        try:
            read_parts(url, ROWS_IN_PARTS, **{"qserv-compression": "zip"})
        except pyarrow.ArrowInvalid as error:
            assert "must be zstd, lz4 or none" in str(error), error
        else:
            raise AssertionError("it was answered")


def check_sql(sky):
    """the engine's SQL, where a header asks for it"""
    query = 'SELECT band, count(*) FILTER (WHERE snr > 10) AS n FROM demo."Source" GROUP BY band'
    right = sky.duckdb.execute(query).fetchall()
    for url in services(sky).values():
        with connected(url, **{"qserv-language": "sql"}) as connection:
            assert_same_answer(rows(fetched(connection, query)), right, False)


def check_parameters(sky):
    """prepared statements take values of every type, in ADQL and in SQL"""
    brightest = sky.duckdb.execute("SELECT objectId, r_psfFlux FROM demo.Object ORDER BY r_psfFlux DESC NULLS LAST LIMIT 1").fetchone()
    questions = [
        ("SELECT objectId FROM demo.Object WHERE objectId = ?", (brightest[0],), [(brightest[0],)]),
        ("SELECT COUNT(*) AS n FROM demo.Object WHERE r_psfFlux >= ? AND objectId <> ?", (brightest[1], 5), [(1,)]),
        ("SELECT COUNT(*) AS n FROM demo.Filter WHERE band = ?", ("r",), [(1,)]),
        ("SELECT COUNT(*) AS n FROM demo.Filter WHERE band = ?", ("r' OR '1' = '1",), [(0,)]),
        ("SELECT COUNT(*) AS n FROM demo.Filter WHERE band = ?", (None,), [(0,)]),
        ("SELECT COUNT(*) AS n FROM demo.Filter WHERE band LIKE ?", ("%",), sky.duckdb.execute("SELECT COUNT(*) FROM demo.Filter").fetchall()),
    ]
    near = "SELECT COUNT(*) FROM demo.Object WHERE haversine(coord_ra, coord_dec, 0, 1) <= 3"
    cone = "SELECT COUNT(*) AS n FROM demo.Object WHERE CONTAINS(POINT(coord_ra, coord_dec), CIRCLE(?, ?, ?)) = 1"
    for url in services(sky).values():
        for language in ("adql", "sql"):
            with connected(url, **{"qserv-language": language}) as connection:
                for query, values, right in questions:
                    for _ in range(2):
                        assert rows(fetched(connection, query, values)) == right, (language, query, values)
        with connected(url) as connection:
            assert rows(fetched(connection, cone, (0.0, 1.0, 3.0))) == sky.duckdb.execute(near).fetchall()
            with connection.cursor() as cursor:
                schema = cursor.adbc_prepare("SELECT objectId FROM demo.Object WHERE objectId = ? AND r_psfFlux > ? AND ? > 0")
                assert [field.type for field in schema] == [pyarrow.int64(), pyarrow.float64(), pyarrow.int64()], schema
            for values in ((), (1, 2)):
                try:
                    fetched(connection, questions[0][0], values or None)
                except adbc_driver_manager.Error as error:
                    assert "parameters" in str(error), error
                else:
                    raise AssertionError("it was answered")


def check_columns(sky):
    """columns carry their unit, UCD and description"""
    for url in services(sky).values():
        with connected(url) as connection:
            column = fetched(connection, "SELECT r_psfFlux FROM demo.Object").schema.field("r_psfFlux")
            declared = connection.adbc_get_table_schema("Object", db_schema_filter="demo").field("r_psfFlux")
        for seen in (column, declared):
            assert seen.metadata[b"unit"] == b"nJy" and seen.metadata[b"ucd"].startswith(b"phot.flux"), seen.metadata
            assert seen.metadata[b"description"], seen.metadata


def check_metadata(sky):
    """catalogs, schemas, tables, columns and keys"""
    for url in services(sky).values():
        with connected(url) as connection:
            assert connection.adbc_get_info()["vendor_name"] == "qserv"
            assert connection.adbc_get_table_types() == ["TABLE"]
            (catalog,) = connection.adbc_get_objects(depth="all").read_all().to_pylist()
            schemas = {schema["db_schema_name"]: schema["db_schema_tables"] for schema in catalog["catalog_db_schemas"]}
            tables = {table["table_name"]: table for table in schemas["demo"]}
            assert set(tables) == {"Object", "Source", "ForcedSource", "Visit", "Filter"}, set(tables)
            columns = [column["column_name"] for column in tables["Object"]["table_columns"]]
            assert columns == sky.rows("Object").column_names, columns
            only = connection.adbc_get_objects(depth="tables", db_schema_filter="demo", table_name_filter="F%")
            (schema,) = only.read_all().to_pylist()[0]["catalog_db_schemas"]
            assert {table["table_name"] for table in schema["db_schema_tables"]} == {"ForcedSource", "Filter"}


def check_errors(sky):
    """errors are told in the words of the service, and nothing that is behind them"""
    refusals = {
        "SELECT nosuch FROM demo.Object": "nosuch",
        "SELECT FROM demo.Object": "SELECT",
        "SELECT COUNT(*) FROM demo.Nowhere": "Nowhere",
        "SELECT CAST('one' AS INTEGER) FROM demo.Object": "`one` is no INTEGER",
    }
    for url in services(sky).values():
        for query, words in refusals.items():
            with connected(url) as connection:
                try:
                    fetched(connection, query)
                except adbc_driver_manager.Error as error:
                    assert words in str(error), error
                    assert error.status_code == adbc_driver_manager.AdbcStatusCode.INVALID_ARGUMENT, error.status_code
                    assert not any(word in str(error) for word in INTERNAL), error
                else:
                    raise AssertionError(f"{query} was answered")


def check_foreign_tickets(sky):
    """a ticket that nobody sealed opens nothing, on the czar as on workers"""
    info, _ = read_parts(sky.cluster.flight_url, ROWS_IN_PARTS)
    forged = bytearray(info.endpoints[0].ticket.ticket)
    forged[-1] ^= 1
    for url in (sky.cluster.flight_url, str(info.endpoints[0].locations[0].uri.decode())):
        with pyarrow.flight.connect(url) as client:
            for ticket in (bytes(forged), b"", b"nonsense"):
                try:
                    client.do_get(pyarrow.flight.Ticket(ticket)).read_all()
                except (pyarrow.ArrowException, pyarrow.ArrowInvalid, OSError) as error:
                    assert not any(word in str(error) for word in INTERNAL), error
                else:
                    raise AssertionError(f"{ticket} was answered")


def check_upload(sky):
    """a table that ADBC sends is joined with the sky, in its session alone"""
    objects = sky.rows("Object").slice(0, 500)
    table = pyarrow.table({"n": range(500), "ra": objects["coord_ra"], "dec": objects["coord_dec"], "key": objects["objectId"]})
    near = (
        "SELECT t.n, o.objectId FROM TAP_UPLOAD.mine AS t JOIN demo.Object AS o "
        "ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.001"
    )
    sky.duckdb.register("mine", table)
    right = sky.duckdb.execute(
        "SELECT t.n, o.objectId FROM mine t JOIN demo.Object o ON abs(t.dec - o.coord_dec) <= 0.01 "
        "AND haversine(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.001"
    ).fetchall()
    counts = sky.duckdb.execute("SELECT t.n, COUNT(*) FROM mine t JOIN demo.Source s ON s.objectId = t.key GROUP BY t.n").fetchall()
    for url in services(sky).values():
        cookies = {DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "true"}
        with dbapi.connect(url, db_kwargs=cookies, autocommit=True) as connection:
            with connection.cursor() as cursor:
                assert cursor.adbc_ingest("mine", table, mode="create", temporary=True) == 500
            assert_same_answer(rows(fetched(connection, near)), right, False)
            by_key = "SELECT t.n, COUNT(*) FROM TAP_UPLOAD.mine AS t JOIN demo.Source AS s ON s.objectId = t.key GROUP BY t.n"
            assert_same_answer(rows(fetched(connection, by_key)), counts, False)
        with connected(url) as connection:
            try:
                fetched(connection, near)
            except adbc_driver_manager.Error as error:
                assert error.status_code == adbc_driver_manager.AdbcStatusCode.INVALID_ARGUMENT, error
            else:
                raise AssertionError("another session sees the table")


def check_export(sky):
    """exported files hold the table's rows, each once, with the checksums of the manifest"""
    right = sky.rows("Source")
    for url in services(sky).values():
        with tempfile.TemporaryDirectory() as folder:
            command = [sky.program, "export", "demo.Source", "--to", folder, "--flight", url]
            subprocess.run(command, check=True, capture_output=True)
            manifest = json.loads((pathlib.Path(folder) / "manifest.json").read_text())
            paths = [pathlib.Path(folder) / part["file"] for part in manifest["parts"]]
            for part, path in zip(manifest["parts"], paths):
                assert hashlib.sha256(path.read_bytes()).hexdigest() == part["sha256"], path
            found = pyarrow.concat_tables(pyarrow.parquet.read_table(path) for path in paths).sort_by("sourceId")
        assert manifest["rows"] == found.num_rows and manifest["counted"]
        assert found.schema.field("psfFlux").metadata[b"unit"] == b"nJy"
        assert found.to_pylist() == right.to_pylist()


def check_metrics(sky):
    """queries over Flight are counted beside TAP's, with their rows and what went wrong"""
    counted = lambda outcome: metrics(sky).get(("qserv_queries_total", ("mode", "flight"), ("outcome", outcome)), 0)
    rows_of = lambda: metrics(sky).get(("qserv_rows_total", ("mode", "flight")), 0)
    before, rows_before = {word: counted(word) for word in ("ok", "invalid")}, rows_of()
    with connected(sky.flight_url) as connection:
        table = fetched(connection, "SELECT objectId FROM demo.Object ORDER BY objectId")
    with pyarrow.flight.connect(sky.flight_url) as client:
        try:
            client.get_flight_info(descriptor("SELECT nosuch FROM demo.Object"))
        except pyarrow.ArrowInvalid:
            pass
    wait_until(lambda: counted("ok") == before["ok"] + 1)
    assert rows_of() == rows_before + table.num_rows and counted("invalid") == before["invalid"] + 1
    assert metrics(sky)[("qserv_queries_running", ("mode", "flight"))] == 0


def check_silent_client(sky):
    """a client that is there and reads nothing loses its stream, and is told so when it reads again"""
    running = lambda: metrics(sky)[("qserv_queries_running", ("mode", "flight"))]
    with pyarrow.flight.connect(sky.flight_url) as client:
        info = client.get_flight_info(descriptor("SELECT a.*, b.* FROM demo.Source AS a, demo.Visit AS b"))
        reader = client.do_get(info.endpoints[0].ticket)
        assert reader.read_chunk().data.num_rows > 0
        began = time.monotonic()
        wait_until(lambda: running() == 1)
        wait_until(lambda: running() == 0)
        assert 5 < time.monotonic() - began < 40, time.monotonic() - began
        try:
            while True:
                reader.read_chunk()
        except (pyarrow.ArrowException, OSError, KeyboardInterrupt) as error:
            assert "took nothing" in str(error), error


def check_exchange(sky):
    """a table goes in and its join with the sky comes out, in one call"""
    objects = sky.rows("Object").slice(100, 700)
    table = pyarrow.table({"n": range(700), "ra": objects["coord_ra"], "dec": objects["coord_dec"]})
    query = (
        "SELECT t.n, o.objectId FROM TAP_UPLOAD.{} AS t JOIN demo.Object AS o "
        "ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.001"
    )
    sky.duckdb.register("sent", table)
    right = sky.duckdb.execute(
        "SELECT t.n, o.objectId FROM sent t JOIN demo.Object o ON abs(t.dec - o.coord_dec) <= 0.01 "
        "AND haversine(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.001"
    ).fetchall()

    def exchange(url, query, table, *headers):
        options = pyarrow.flight.FlightCallOptions(headers=list(headers))
        with pyarrow.flight.connect(url) as client:
            writer, reader = client.do_exchange(descriptor(query), options)
            with writer:
                writer.begin(table.schema)
                for batch in table.to_batches(max_chunksize=100):
                    writer.write_batch(batch)
                writer.done_writing()
                return reader.read_all()

    for url in services(sky).values():
        assert_same_answer(rows(exchange(url, query.format("sent"), table)), right, False)
        named = exchange(url, query.format("stars"), table, (b"qserv-table", b"stars"), (b"qserv-compression", b"zstd"))
        assert_same_answer(rows(named), right, False)
        for wrong, words in ((query.format("other"), "other"), ("SELECT nosuch FROM TAP_UPLOAD.sent", "nosuch")):
            try:
                exchange(url, wrong, table)
            except (pyarrow.ArrowException, OSError) as error:
                assert words in str(error) and not any(word in str(error) for word in INTERNAL), error
            else:
                raise AssertionError("it was answered")


def check_cancel(sky):
    """a query that is cancelled by its driver ends at once"""
    for url in services(sky).values():
        with connected(url) as connection, connection.cursor() as cursor:
            timer = threading.Timer(1, cursor.adbc_cancel)
            timer.start()
            began = time.monotonic()
            try:
                cursor.execute(ENDLESS)
                cursor.fetch_arrow_table()
            except adbc_driver_manager.Error as error:
                assert error.status_code == adbc_driver_manager.AdbcStatusCode.CANCELLED, error
            else:
                raise AssertionError("it was answered")
            finally:
                timer.cancel()
            assert time.monotonic() - began < 10
