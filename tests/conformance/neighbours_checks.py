"""Joins of near neighbours, judged by scipy's k-d tree on unit vectors."""

import functools
import io

import numpy
from astropy.table import MaskedColumn, Table
from scipy.spatial import cKDTree

from upload_checks import post, table_of

SEED = 6
# How near to a radius the distance of a pair may not be: the two sides round differently there.
NEAR_EDGE_DEG = 1e-9
RADII_DEG = [0.0, 1e-4, 0.37, 21.3, 91.0, 180.0]

CONDITIONS = {
    "DISTANCE of coordinates": "DISTANCE(a.ra, a.dec, b.ra, b.dec) <= {radius}",
    "DISTANCE of points": "DISTANCE(POINT(a.ra, a.dec), POINT(b.ra, b.dec)) <= {radius}",
    "CONTAINS": "1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(b.ra, b.dec, {radius}))",
}
# What is asked, and what of the pairs (a, b) and the ids of both it must give.
QUESTIONS = {
    "pairs": ("SELECT a.id, b.id FROM TAP_UPLOAD.a AS a JOIN TAP_UPLOAD.b AS b ON {near}", lambda pairs, a, b: pairs),
    "pairs by WHERE": ("SELECT a.id, b.id FROM TAP_UPLOAD.a AS a, TAP_UPLOAD.b AS b WHERE {near} AND a.id <> 7", lambda pairs, a, b: {p for p in pairs if p[0] != 7}),
    "left": ("SELECT a.id, b.id FROM TAP_UPLOAD.a AS a LEFT JOIN TAP_UPLOAD.b AS b ON {near}", lambda pairs, a, b: pairs | lonely(pairs, a, 0)),
    "right": ("SELECT a.id, b.id FROM TAP_UPLOAD.a AS a RIGHT JOIN TAP_UPLOAD.b AS b ON {near}", lambda pairs, a, b: pairs | lonely(pairs, b, 1)),
    "full": ("SELECT a.id, b.id FROM TAP_UPLOAD.a AS a FULL JOIN TAP_UPLOAD.b AS b ON {near}", lambda pairs, a, b: pairs | lonely(pairs, a, 0) | lonely(pairs, b, 1)),
    "those with a neighbour": ("SELECT a.id FROM TAP_UPLOAD.a AS a WHERE EXISTS (SELECT 1 FROM TAP_UPLOAD.b AS b WHERE {near})", lambda pairs, a, b: {(p[0],) for p in pairs}),
    "those without": ("SELECT a.id FROM TAP_UPLOAD.a AS a WHERE NOT EXISTS (SELECT 1 FROM TAP_UPLOAD.b AS b WHERE {near})", lambda pairs, a, b: {(i,) for i in a} - {(p[0],) for p in pairs}),
}


def lonely(pairs, ids, side):
    """The rows of an outer join for what has no partner on one side."""
    alone = set(ids) - {pair[side] for pair in pairs}
    return {(i, None) if side == 0 else (None, i) for i in alone}


def random_sky(random, count):
    """Positions with all that is hard: clumps, poles, right ascension 0, the same place twice, no place at all."""
    z = random.uniform(-1, 1, count)
    ra, dec = random.uniform(0, 360, count), numpy.degrees(numpy.arcsin(z))
    kind = random.integers(0, 8, count)
    clump = kind == 0
    ra[clump], dec[clump] = 40 + random.normal(0, 0.3, clump.sum()), -20 + random.normal(0, 0.3, clump.sum())
    at_pole = kind == 1
    dec[at_pole] = random.choice([-90.0, 90.0, 89.9, -89.99999], at_pole.sum())
    at_zero = kind == 2
    ra[at_zero] = random.choice([0.0, 359.9999, 1e-5, 360.0 - 1e-12], at_zero.sum())
    dec[at_zero] = random.uniform(-1, 1, at_zero.sum())
    # The corners of a coarse net: two skies have many of them in common.
    on_net = kind == 3
    ra[on_net], dec[on_net] = random.integers(0, 12, on_net.sum()) * 30.0, random.integers(-2, 3, on_net.sum()) * 40.0
    missing = random.uniform(size=(2, count)) < 0.03
    table = Table()
    table["id"] = numpy.arange(count)
    table["ra"], table["dec"] = MaskedColumn(ra, mask=missing[0]), MaskedColumn(dec, mask=missing[1])
    table["radius"] = 10 ** random.uniform(-2, 2, count)
    return table


def vectors(table):
    """Unit vectors of the rows that have a position, and the ids of these rows."""
    ra, dec = (numpy.ma.masked_invalid(table[name]) for name in ("ra", "dec"))
    there = ~(numpy.ma.getmaskarray(ra) | numpy.ma.getmaskarray(dec))
    ra, dec = numpy.radians(ra.data[there]), numpy.radians(dec.data[there])
    xyz = numpy.stack([numpy.cos(dec) * numpy.cos(ra), numpy.cos(dec) * numpy.sin(ra), numpy.sin(dec)], axis=1)
    return xyz, numpy.asarray(table["id"])[there]


def chord(degrees):
    return 2 * numpy.sin(numpy.radians(numpy.minimum(degrees, 180)) / 2)


def true_pairs(left, right, radius_deg):
    """The pairs of ids within a radius, and those so near to it that either answer is right."""
    (left_xyz, left_ids), (right_xyz, right_ids) = vectors(left), vectors(right)
    radius_deg = numpy.broadcast_to(radius_deg, len(left_xyz))
    tree = cKDTree(right_xyz)

    def within(radii_deg):
        # A tree finds nothing at a negative radius, and the same place in either way of writing it at this one.
        found = tree.query_ball_point(left_xyz, numpy.maximum(chord(radii_deg), 1e-15))
        return {(int(left_ids[i]), int(right_ids[j])) for i, of in enumerate(found) for j in of}

    if (radius_deg == 0).all():
        return within(radius_deg), set()
    if (radius_deg >= 180).all():
        return {(int(i), int(j)) for i in left_ids for j in right_ids}, set()
    sure = within(radius_deg - NEAR_EDGE_DEG)
    return sure, within(radius_deg + NEAR_EDGE_DEG) - sure


def upload(table):
    out = io.BytesIO()
    table.write(out, format="votable")
    return out.getvalue()


def answer(sky, query, **tables):
    files = [(name, f"{name}.vot", upload(table), "application/x-votable+xml") for name, table in tables.items()]
    rows = table_of(post(sky, query, files))
    columns = [numpy.ma.asarray(rows[name]) for name in rows.colnames]
    masks = [numpy.ma.getmaskarray(column) for column in columns]
    found = [
        tuple(None if mask[i] else int(column[i]) for column, mask in zip(columns, masks)) for i in range(len(rows))
    ]
    assert len(set(found)) == len(found), f"rows come twice: {len(found)} of {len(set(found))}"
    return set(found)


def checks(sky):
    for radius in RADII_DEG:
        yield f"uploads within {radius:g} degrees, in every kind of join", functools.partial(assert_joins, radius)


def assert_joins(radius, sky):
    random = numpy.random.default_rng([SEED, int(1e4 * radius)])
    a, b = random_sky(random, 230), random_sky(random, 180)
    sure, unsure = true_pairs(a, b, radius)
    # A position at the edge would leave outer joins without one right answer.
    assert not unsure, unsure
    for index, (title, (query, expected)) in enumerate(QUESTIONS.items()):
        form = list(CONDITIONS.values())[index % len(CONDITIONS)]
        found = answer(sky, query.format(near=form.format(radius=repr(radius))), a=a, b=b)
        assert_equal(found, expected(sure, a["id"].tolist(), b["id"].tolist()), f"{title} within {radius}")


def assert_equal(found, expected, what):
    assert found == expected, f"{what}: missing {sorted(expected - found, key=str)[:5]}, too many {sorted(found - expected, key=str)[:5]}"


def check_column_radius(sky):
    """each row with a radius of its own"""
    random = numpy.random.default_rng(SEED)
    a, b = random_sky(random, 300), random_sky(random, 300)
    _, ids = vectors(a)
    sure, unsure = true_pairs(a, b, numpy.asarray(a["radius"])[ids])
    for near in ("DISTANCE(a.ra, a.dec, b.ra, b.dec) < a.radius", "1 = CONTAINS(POINT(b.ra, b.dec), CIRCLE(a.ra, a.dec, a.radius))"):
        found = answer(sky, f"SELECT a.id, b.id FROM TAP_UPLOAD.a AS a JOIN TAP_UPLOAD.b AS b ON {near}", a=a, b=b)
        assert_equal(found - unsure, sure, near)


def check_self_join(sky):
    """objects of the sky with each other, within the overlap and far beyond it, each pair once"""
    objects = sky.rows("Object")
    table = Table({"id": objects["objectId"].to_numpy(), "ra": objects["coord_ra"].to_numpy(), "dec": objects["coord_dec"].to_numpy()})
    for radius in (0.004, 0.9):
        sure, unsure = true_pairs(table, table, radius)
        query = (
            "SELECT a.objectId, b.objectId FROM demo.Object AS a JOIN demo.Object AS b "
            f"ON DISTANCE(a.coord_ra, a.coord_dec, b.coord_ra, b.coord_dec) <= {radius} WHERE a.objectId < b.objectId"
        )
        found = answer(sky, query)
        ordered = {pair for pair in sure if pair[0] < pair[1]}
        assert len(ordered) > 10, len(ordered)
        assert_equal(found - unsure, ordered, f"within {radius}")


def check_upload_with_the_sky(sky):
    """an upload with the objects of the sky, within the overlap and far beyond it"""
    objects = sky.rows("Object")
    table = Table({"id": objects["objectId"].to_numpy(), "ra": objects["coord_ra"].to_numpy(), "dec": objects["coord_dec"].to_numpy()})
    a = random_sky(numpy.random.default_rng(SEED + 1), 400)
    a["ra"][:200], a["dec"][:200] = table["ra"][:200], table["dec"][:200] * 0.999999
    for radius in (0.003, 7.0):
        sure, unsure = true_pairs(a, table, radius)
        query = (
            "SELECT a.id, o.objectId FROM TAP_UPLOAD.a AS a JOIN demo.Object AS o "
            f"ON DISTANCE(a.ra, a.dec, o.coord_ra, o.coord_dec) <= {radius}"
        )
        assert len(sure) > 10
        assert_equal(answer(sky, query, a=a) - unsure, sure, f"within {radius}")
