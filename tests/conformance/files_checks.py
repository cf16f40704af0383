"""The field's own tools read our files: Parquet by pyarrow, HEALPix by cdshealpix."""

import re

import astropy.units as u
import cdshealpix.nested
import numpy
import pyarrow
import pyarrow.compute
import pyarrow.parquet
from astropy.coordinates import Latitude, Longitude, SkyCoord

from sky import CHILDREN, DIRECTOR, FINE_CELL, KEYS, REPLICATED, TABLES, chunk_of, positions, read_segment

# The overlap radius of the sample sky.
OVERLAP_RAD = (60 * u.arcsec).to_value(u.rad)


def fine_cells(ra, dec, order=29):
    return cdshealpix.nested.lonlat_to_healpix(Longitude(ra, u.deg), Latitude(dec, u.deg), order).astype(numpy.int64)


def director_chunks(sky):
    """The chunk (order and cell) and the fine cell of each object by its key."""
    homes = {}
    for path in sky.segments(DIRECTOR):
        rows = read_segment(path)
        for key, cell in zip(rows[KEYS[DIRECTOR]].to_pylist(), rows[FINE_CELL].to_pylist(), strict=True):
            homes[key] = (chunk_of(path), cell)
    return homes


def check_every_file(sky):
    """every Parquet file is read whole, its checksums and statistics too"""
    paths = sorted((sky.data_dir / "workers").rglob("*.parquet"))
    assert len(paths) >= len(TABLES)
    for path in paths:
        file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
        rows = file.read()
        rows.validate(full=True)
        assert rows.num_rows == file.metadata.num_rows > 0, path
        for group in range(file.metadata.num_row_groups):
            group_rows = file.read_row_group(group)
            for index, name in enumerate(rows.column_names):
                assert_statistics(file.metadata.row_group(group).column(index).statistics, group_rows[name], (path, name))


def assert_statistics(statistics, column, where):
    """Statistics that are there are true: queries leave out row groups on their word."""
    if statistics is None:
        return
    if statistics.has_null_count:
        assert statistics.null_count == column.null_count, where
    if statistics.has_min_max and column.null_count < len(column):
        least, most = pyarrow.compute.min_max(column).as_py().values()
        assert statistics.min <= least and most <= statistics.max, (where, statistics.min, least, most, statistics.max)


def check_schemas(sky):
    """all files of a table have one schema, with units and UCDs in it"""
    for table in TABLES:
        schemas = [pyarrow.parquet.read_schema(path) for path in sky.segments(table)]
        assert all(schema.equals(schemas[0]) for schema in schemas), table
        declared = {column.name: column for column in sky.service.tables[f"demo.{table}"].columns}
        assert set(declared) == set(schemas[0].names) - {FINE_CELL}, table
        for field in schemas[0]:
            if field.name != FINE_CELL:
                metadata = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
                assert metadata.get("unit") == declared[field.name].unit, (table, field.name)
                assert metadata.get("ucd") == declared[field.name].ucd, (table, field.name)


def check_sorted(sky):
    """rows are sorted by their fine cell"""
    for table in (DIRECTOR, *CHILDREN, f"{DIRECTOR}_margin"):
        for path in sky.segments(table):
            cells = read_segment(path)[FINE_CELL].to_numpy()
            assert (numpy.diff(cells) >= 0).all(), path


def check_fine_cells(sky):
    """the fine cells are those that cdshealpix computes: of the row's position, else of its director's"""
    homes = director_chunks(sky)
    for table in (DIRECTOR, *CHILDREN, f"{DIRECTOR}_margin"):
        for path in sky.segments(table):
            rows = read_segment(path)
            if "coord_ra" in rows.column_names:
                expected = fine_cells(*positions(rows))
            else:
                expected = numpy.array([homes[key][1] for key in rows["objectId"].to_pylist()])
            assert (rows[FINE_CELL].to_numpy() == expected).all(), path


def check_chunks(sky):
    """an object is in its position's chunk, a child in its director's"""
    homes = director_chunks(sky)
    for path in sky.segments(DIRECTOR):
        order, cell = chunk_of(path)
        assert (fine_cells(*positions(read_segment(path)), order) == cell).all(), path
    for table in CHILDREN:
        for path in sky.segments(table):
            rows = read_segment(path)
            own = fine_cells(*positions(rows), chunk_of(path)[0]) if "coord_ra" in rows.column_names else None
            for index, key in enumerate(rows["objectId"].to_pylist()):
                home = homes[key][0] if key in homes else (chunk_of(path)[0], int(own[index]))
                assert home == chunk_of(path), (path, key, home)


def check_keys(sky):
    """each row is in one file only: no key twice"""
    for table in TABLES:
        keys = sky.rows(table)[KEYS[table]]
        assert len(keys.unique()) == len(keys) > 0, table


def check_replicas(sky):
    """replicas are the same bytes"""
    stores = sorted((sky.data_dir / "workers").iterdir())
    assert len(stores) > 1
    for table in REPLICATED:
        copies = [store / path.relative_to(path.parents[4]) for path in sky.segments(table) for store in stores]
        assert copies and len({copy.read_bytes() for copy in copies}) == len(sky.segments(table)), table


def check_overlap(sky):
    """a chunk's overlap has every object from outside that has a place of the chunk within the radius, and rows as they are"""
    chunks = {chunk_of(path): read_segment(path) for path in sky.segments(DIRECTOR)}
    overlaps = {chunk_of(path): read_segment(path) for path in sky.segments(f"{DIRECTOR}_margin")}
    objects = {row["objectId"]: (chunk, row) for chunk, rows in chunks.items() for row in rows.to_pylist()}
    for chunk, rows in overlaps.items():
        for row in rows.to_pylist():
            home, original = objects[row["objectId"]]
            assert home != chunk and row == original, (chunk, row["objectId"])
    kept = {(chunk, key) for chunk, rows in overlaps.items() for key in rows["objectId"].to_pylist()}
    assert len(kept) == sum(rows.num_rows for rows in overlaps.values()), "an object is twice in one overlap"

    seen = set()
    for home, rows in chunks.items():
        keys = rows["objectId"].to_pylist()
        for ra, dec in rings(*positions(rows)):
            for key, cell in zip(keys, fine_cells(ra, dec, home[0]).tolist(), strict=True):
                # A chunk without objects has no overlap to keep.
                if (home[0], cell) != home and (home[0], cell) in chunks:
                    seen.add(((home[0], cell), key))
    assert seen, "no object of the sample sky is near another chunk, so this showed nothing"
    assert seen <= kept, seen - kept


def rings(ra, dec, points=64):
    """Places just inside the overlap radius around the positions, in all directions."""
    centres = SkyCoord(ra, dec, unit="deg")
    for angle in numpy.linspace(0, 360, points, endpoint=False):
        ring = centres.directional_offset_by(angle * u.deg, OVERLAP_RAD * (1 - 1e-6) * u.rad)
        yield ring.ra.deg, ring.dec.deg


def check_layout(sky):
    """the folders are those of a HATS catalog"""
    pattern = re.compile(r"demo/(Object|Source|ForcedSource|Object_margin)/dataset/Norder=(\d+)/Dir=(\d+)/Npix=(\d+)/[^/]+\.parquet$")
    for table in (DIRECTOR, *CHILDREN, f"{DIRECTOR}_margin"):
        for path in sky.segments(table):
            found = pattern.search(str(path))
            assert found, path
            order, folder, cell = (int(group) for group in found.groups()[1:])
            assert cell < 12 * 4**order and folder == cell // 10_000 * 10_000, path
