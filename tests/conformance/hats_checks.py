"""Exported HATS catalogs as lsdb has them: it opens, searches and matches them, and finds what ADQL finds."""

import functools
import json
import pathlib
import subprocess
import tempfile
import warnings

import dask
import hats.io.validation
import lsdb
import numpy
import pyarrow
import pyarrow.parquet

from flight_checks import connected, fetched, rows

MARGIN_ARCSEC = 60.0
RADIUS_ARCSEC = 55.0
NEIGHBOURS = 50
# Processes of their own would each need lsdb's imports, and threads are enough for some thousand rows.
dask.config.set(scheduler="threads")


class Catalogs:
    """Catalogs exported from the three workers, made when they are asked for."""

    def __init__(self, sky):
        self.url = sky.cluster.flight_url
        self.program = sky.program
        self.folder = pathlib.Path(sky.closing.enter_context(tempfile.TemporaryDirectory(prefix="qserv-hats-")))

    def export(self, folder, *what):
        command = [self.program, "export", *what, "--to", folder, "--format", "hats", "--flight", self.url]
        return subprocess.run(command, capture_output=True, text=True)

    def made(self, name, *what):
        folder = self.folder / name
        if not folder.exists():
            done = self.export(folder, *what, "--margin-arcsec", str(MARGIN_ARCSEC))
            assert done.returncode == 0, done.stderr
        return folder

    @functools.cached_property
    def objects(self):
        return self.made("objects", "demo.Object", "--pixel-rows", "150")

    @functools.cached_property
    def sources(self):
        # Fewer columns, other pixels, and positions under other names.
        query = "SELECT sourceId, objectId, coord_ra AS lon, coord_dec AS lat, psfFlux FROM demo.Source WHERE band = 'r'"
        return self.made("sources", "--query", query, "--position", "lon,lat", "--name", "bright", "--pixel-rows", "700")


@functools.cache
def catalogs(sky):
    return Catalogs(sky)


def opened(folder, **options):
    with warnings.catch_warnings():
        # What lsdb itself finds fault with; that its libraries change is not about the catalog.
        warnings.simplefilter("error", UserWarning)
        return lsdb.open_catalog(folder, **options)


def answer(sky, query):
    with connected(sky.cluster.flight_url) as connection:
        return rows(fetched(connection, query))


def check_valid(sky):
    """the catalogs are valid, and their margins with them"""
    made = catalogs(sky)
    for folder in (made.objects, made.sources):
        assert hats.io.validation.is_valid_collection(folder, strict=True), folder
        catalog = opened(folder)
        assert len(catalog.get_healpix_pixels()) > 5 and catalog.margin is not None
        assert catalog.margin.hc_structure.catalog_info.margin_threshold == MARGIN_ARCSEC
    orders = {pixel.order for pixel in opened(made.objects).get_healpix_pixels()}
    assert len(orders) > 1, orders


def check_rows(sky):
    """lsdb reads each row of the table once, under its cell, as the manifest counts them"""
    folder = catalogs(sky).objects
    found = opened(folder).compute(progress_bar=False)
    right = sky.rows("Object").to_pandas()
    columns = list(right.columns)
    assert set(columns) == set(found.columns), set(columns) ^ set(found.columns)
    found_rows = pyarrow.Table.from_pandas(found[columns], preserve_index=False).sort_by("objectId")
    for name in columns:
        ours, theirs = found_rows[name].to_pylist(), sky.rows("Object")[name].to_pylist()
        same = [a == b or (a is None or a != a) and (b is None or b != b) for a, b in zip(ours, theirs, strict=True)]
        assert all(same), name
    cells = hats.pixel_math.spatial_index.compute_spatial_index(found["coord_ra"].to_numpy(), found["coord_dec"].to_numpy())
    assert numpy.array_equal(numpy.asarray(found.index), cells)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["rows"] == len(found) and manifest["counted"]
    for part in manifest["parts"] + manifest["margin"]:
        assert pyarrow.parquet.read_metadata(folder / part["file"]).num_rows == part["rows"]


def check_metadata(sky):
    """the footers of all files in one, and the units of the columns"""
    dataset = catalogs(sky).objects / "Object" / "dataset"
    metadata = pyarrow.parquet.read_metadata(dataset / "_metadata")
    assert metadata.num_rows == sky.rows("Object").num_rows
    flux = pyarrow.parquet.read_schema(dataset / "_common_metadata").field("r_psfFlux")
    assert flux.metadata[b"unit"] == b"nJy"


def check_cone(sky):
    """lsdb's cone search finds what ADQL's does"""
    made = catalogs(sky)
    wheres = [(0.0, 1.0, 1.0), (359.9, -0.5, 0.4), (1.5, 0.2, 0.05)]
    for ra, dec, radius in wheres:
        near = f"CONTAINS(POINT({{}}, {{}}), CIRCLE({ra}, {dec}, {radius})) = 1"
        right = answer(sky, f"SELECT objectId FROM demo.Object WHERE {near.format('coord_ra', 'coord_dec')}")
        found = opened(made.objects).cone_search(ra, dec, radius * 3600).compute(progress_bar=False)
        assert sorted(found["objectId"]) == sorted(row[0] for row in right), (ra, dec)
        query = f"SELECT sourceId FROM demo.Source WHERE band = 'r' AND {near.format('coord_ra', 'coord_dec')}"
        found = opened(made.sources).cone_search(ra, dec, radius * 3600).compute(progress_bar=False)
        assert sorted(found["sourceId"]) == sorted(row[0] for row in answer(sky, query)), (ra, dec)


def check_match(sky):
    """lsdb's cross-match finds the pairs that ADQL's join finds, and some of them by way of the margin alone"""
    made = catalogs(sky)
    query = (
        "SELECT s.sourceId, o.objectId FROM demo.Source AS s JOIN demo.Object AS o "
        f"ON DISTANCE(s.coord_ra, s.coord_dec, o.coord_ra, o.coord_dec) <= {RADIUS_ARCSEC} / 3600.0 WHERE s.band = 'r'"
    )
    right = sorted(answer(sky, query))
    options = dict(n_neighbors=NEIGHBOURS, radius_arcsec=RADIUS_ARCSEC, suffixes=("_s", "_o"), suffix_method="all_columns")

    def pairs(objects, **more):
        found = opened(made.sources).crossmatch(objects, **options, **more).compute(progress_bar=False)
        return sorted(zip(found["sourceId_s"].tolist(), found["objectId_o"].tolist()))

    objects = opened(made.objects)
    found = pairs(objects, require_right_margin=True)
    assert len(right) > 1000 and found == right, (len(found), len(right))
    objects.margin = None
    without = pairs(objects)
    assert set(without) < set(found), "no pair needs the margin"


def check_refusals(sky):
    """what has no position is refused before anything is written, and so are options that do not fit"""
    made = catalogs(sky)
    refusals = {
        ("demo.Filter",): "--position RA,DEC",
        ("--query", "SELECT objectId, r_psfFlux FROM demo.Object"): "--position RA,DEC",
        ("demo.Object", "--position", "nosuch,coord_dec"): "no column of this name",
        ("demo.Object", "--position", "objectId,r_psfFlux"): "in degrees",
        ("--query", "SELECT * FROM demo.Object WHERE coord_dec > 89"): "has no rows",
    }
    for what, words in refusals.items():
        with tempfile.TemporaryDirectory() as folder:
            done = made.export(folder, *what)
            assert done.returncode == 2 and words in done.stderr, done.stderr
            assert not list(pathlib.Path(folder).glob("*.properties"))
