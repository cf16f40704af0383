"""DuckDB over the same files gives the same answers: the queries are in answers.toml."""

import functools
import math
import pathlib
import tempfile
import tomllib

import duckdb
import numpy
from astropy.coordinates import angular_separation

from sky import positions
from values import assert_same_answer

ANSWERS = pathlib.Path(__file__).with_name("answers.toml")


def checks(sky):
    """One check an entry."""
    for entry in tomllib.loads(ANSWERS.read_text())["answer"]:
        yield entry["name"], functools.partial(compare, entry)


def compare(entry, sky):
    answered = ask(sky, entry["adql"])
    true_rows = sky.duckdb.execute(entry.get("sql", entry["adql"])).fetchall()
    assert true_rows, "no row: this shows nothing"
    assert_same_answer(answered, true_rows, entry.get("ordered", False))


def ask(sky, query):
    return [tuple(row) for row in sky.service.search(query).to_table().iterrows()]


def check_polygons(sky):
    """convex polygons by the half-spaces of their edges, over the wrap and around a pole"""
    for polygon in (
        [(358.5, -1), (2.5, -1.5), (3, 3), (359, 2)],
        [(0, -89.5), (120, -89.6), (240, -89.2)],
        [(50, -35), (58, -35), (58, -28), (54, -25), (50, -28)],
    ):
        vertices = ", ".join(f"{ra}, {dec}" for ra, dec in polygon)
        for corners in (vertices, ", ".join(f"{ra}, {dec}" for ra, dec in reversed(polygon))):
            answered = ask(
                sky,
                "SELECT objectId FROM demo.Object "
                f"WHERE CONTAINS(POINT(coord_ra, coord_dec), POLYGON({corners})) = 1",
            )
            objects = sky.rows("Object")
            inside = inside_convex(*positions(objects), polygon)
            assert_same_answer(answered, [(key,) for key in objects["objectId"].to_numpy()[inside].tolist()], False)


def inside_convex(ra, dec, polygon):
    """Which positions are on one side of all edges."""
    points = unit_vectors(ra, dec)
    corners = unit_vectors(*map(numpy.array, zip(*polygon)))
    normals = numpy.cross(corners, numpy.roll(corners, -1, axis=0))
    sides = points @ normals.T
    middle = corners.mean(axis=0) @ normals.T
    return (sides * numpy.sign(middle) >= 0).all(axis=1)


def unit_vectors(ra, dec):
    ra, dec = numpy.radians(ra), numpy.radians(dec)
    return numpy.stack([numpy.cos(dec) * numpy.cos(ra), numpy.cos(dec) * numpy.sin(ra), numpy.sin(dec)], axis=-1)


def check_cones_everywhere(sky):
    """cones of all sizes around objects and chunk corners hold what astropy's separations say"""
    objects = sky.rows("Object")
    keys = objects["objectId"].to_numpy()
    ra, dec = positions(objects)
    random = numpy.random.default_rng(5)
    centres = [(ra[index], dec[index]) for index in random.choice(len(keys), 12, replace=False)]
    centres += [(0, 0), (360, 1), (45, 0), (0, -90), (0, 90), (180, 0), (45, -math.degrees(math.asin(2 / 3)))]
    for centre_ra, centre_dec in centres:
        for radius in (1 / 3600, 1 / 60, 0.5, 7, 90, 179.5):
            separations = numpy.degrees(angular_separation(*numpy.radians([centre_ra, centre_dec]), *numpy.radians([ra, dec])))
            near_edge = numpy.abs(separations - radius) < 1e-9
            if near_edge.any():
                continue
            circle = f"CIRCLE({centre_ra!s}, {centre_dec!s}, {radius!r})"
            answered = ask(sky, f"SELECT objectId FROM demo.Object WHERE 1 = CONTAINS(POINT(coord_ra, coord_dec), {circle})")
            true_rows = [(key,) for key in keys[separations <= radius].tolist()]
            assert_same_answer(answered, true_rows, False)


def check_distances(sky):
    """DISTANCE equals astropy's separation"""
    rows = ask(
        sky,
        "SELECT coord_ra, coord_dec, DISTANCE(POINT(coord_ra, coord_dec), POINT(12.5, -34.25)) AS near, "
        "DISTANCE(coord_ra, coord_dec, 192.5, 34.25) AS far FROM demo.Object",
    )
    ra, dec, near, far = numpy.array(rows, dtype=float).T
    for centre, answered in (((12.5, -34.25), near), ((192.5, 34.25), far)):
        true = numpy.degrees(angular_separation(*numpy.radians(centre)[:, None], *numpy.radians([ra, dec])))
        numpy.testing.assert_allclose(answered, true, rtol=1e-9, atol=1e-13)


def check_every_object_by_key(sky):
    """each of a sample of objects is found by its key, with its light curve"""
    objects = sky.rows("Object")["objectId"].to_pylist()[::60]
    for key in objects:
        assert ask(sky, f"SELECT objectId FROM demo.Object WHERE objectId = {key}") == [(key,)]
        answered = ask(sky, f"SELECT forcedSourceId, psfFlux FROM demo.ForcedSource WHERE objectId = {key}")
        true_rows = sky.duckdb.execute(
            "SELECT forcedSourceId, psfFlux FROM demo.ForcedSource WHERE objectId = ?", [key]
        ).fetchall()
        assert_same_answer(answered, true_rows, False)


def check_delimited_text(sky):
    """DuckDB reads our CSV and TSV: numbers to the last digit, NULL, text that must be quoted"""
    query = """SELECT o.objectId, o.coord_ra, o.u_psfFlux, o.parentObjectId, o.detect_isPrimary,
                   '"a, b' || o.refBand || '"', 'c; ''d''' || o.refBand, v.obsStart
               FROM demo.Object AS o LEFT JOIN demo.Visit AS v ON v.visit = o.objectId"""
    true_rows = sky.duckdb.execute(query).fetchall()
    types = ("BIGINT", "DOUBLE", "FLOAT", "BIGINT", "BOOLEAN", "VARCHAR", "VARCHAR", "TIMESTAMP")
    columns = {f"c{number}": kind for number, kind in enumerate(types)}
    for response_format, delimiter in (("csv", ","), ("tsv", "\t")):
        body, _ = sky.fetch(query, FORMAT=response_format)
        with tempfile.NamedTemporaryFile(suffix=f".{response_format}") as file:
            file.write(body)
            file.flush()
            answered = duckdb.read_csv(
                file.name, delimiter=delimiter, header=True, columns=columns, quotechar='"', escapechar='"', auto_detect=False
            ).fetchall()
        assert sorted(answered, key=repr) == sorted(true_rows, key=repr), response_format
