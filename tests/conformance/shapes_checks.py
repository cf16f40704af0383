"""Random shapes, judged by spherical-geometry and astropy: to 1e-9 of areas and degrees, and in every yes and no."""

import itertools

import astropy.units as u
import numpy
from astropy.coordinates import SkyCoord, angular_separation
from spherical_geometry.polygon import SingleSphericalPolygon

SEED = 11
ASKED_AT_ONCE = 60
# What is nearer to an edge than this is not asked about: the two sides round differently there.
NEAR_EDGE_DEG = 1e-7
TOLERANCE = 1e-9


class Polygon:
    """A polygon without crossing edges: its vertices lie around a centre, in the order of their directions from there."""

    def __init__(self, random):
        self.centre = random_position(random)
        count = random.integers(3, 9)
        # No half of the horizon without a vertex, so that the centre is inside.
        angles = (numpy.arange(count) + random.uniform(-0.2, 0.2, count)) * 360 / count
        radii = 10 ** random.uniform(-1.5, 1.3) * random.uniform(0.4, 1, count)
        corners = SkyCoord(*self.centre, unit="deg").directional_offset_by(angles * u.deg, radii * u.deg)
        self.ra, self.dec = corners.ra.deg, corners.dec.deg
        self.size = radii.max()
        self.true = SingleSphericalPolygon.from_lonlat(self.ra, self.dec, center=self.centre)
        winding = random.choice([1, -1])
        pairs = zip(self.ra[::winding], self.dec[::winding])
        self.adql = "POLYGON(" + ", ".join(f"{ra!r}, {dec!r}" for ra, dec in floats(pairs)) + ")"

    def vertices(self):
        return unit_vectors(self.ra, self.dec)

    def to_edge(self, ra, dec):
        """Degrees from a position to the nearest edge."""
        point = unit_vectors(ra, dec)
        starts, ends = self.vertices(), numpy.roll(self.vertices(), -1, axis=0)
        normals = numpy.cross(starts, ends)
        normals /= numpy.linalg.norm(normals, axis=1)[:, None]
        beside = (numpy.cross(normals, starts) @ point >= 0) & (numpy.cross(ends, normals) @ point >= 0)
        to_line = numpy.abs(numpy.degrees(numpy.arcsin(numpy.clip(normals @ point, -1, 1))))
        to_corner = separations(ra, dec, self.ra, self.dec)
        return min(to_line[beside].min(initial=360), to_corner.min())


def check_areas(sky):
    """areas of random circles and polygons"""
    random = numpy.random.default_rng(SEED)
    radii = [10 ** random.uniform(-3, 2) for _ in range(80)] + [90, 179.9, 180]
    circles = [f"AREA(CIRCLE({ra!r}, {dec!r}, {float(radius)!r}))" for radius in radii for ra, dec in [random_position(random)]]
    true = square_degrees(4 * numpy.pi * numpy.sin(numpy.radians(radii) / 2) ** 2)
    assert_close(values(sky, circles), true)
    polygons = [Polygon(random) for _ in range(240)]
    true = square_degrees(numpy.array([polygon.true.area() for polygon in polygons]))
    # The judge adds up angles and takes whole turns from them, which leaves it this much.
    assert_close(values(sky, [f"AREA({polygon.adql})" for polygon in polygons]), true, atol=3e-11)


def check_centroids(sky):
    """centroids of random polygons: the direction of the integral of the unit vector, which has a closed form"""
    random = numpy.random.default_rng(SEED + 1)
    polygons = [Polygon(random) for _ in range(150)]
    columns = [f"{part}(CENTROID({polygon.adql}))" for polygon in polygons for part in ("COORD1", "COORD2")]
    ra, dec = numpy.array(values(sky, columns)).reshape(-1, 2).T
    for polygon, ra, dec in zip(polygons, ra, dec):
        # The edges of a small polygon nearly cancel each other, so in more digits than the answer has.
        starts = unit_vectors(numpy.longdouble(polygon.ra), numpy.longdouble(polygon.dec))
        ends = numpy.roll(starts, -1, axis=0)
        across = numpy.cross(starts, ends)
        sines = numpy.sqrt((across**2).sum(axis=1))
        lengths = numpy.arctan2(sines, (starts * ends).sum(axis=1))
        integral = (across * (lengths / sines)[:, None]).sum(axis=0)
        integral *= numpy.sign(integral @ unit_vectors(*polygon.centre))
        true = integral / numpy.sqrt((integral**2).sum())
        off = numpy.degrees(numpy.sqrt(((unit_vectors(numpy.longdouble(ra), numpy.longdouble(dec)) - true) ** 2).sum()))
        assert off <= TOLERANCE, (polygon.adql, ra, dec, off)


def check_distances(sky):
    """distances of random points, from a milliarcsecond to antipodes, are those of astropy"""
    random = numpy.random.default_rng(SEED + 2)
    pairs = []
    for exponent in numpy.linspace(-6, 2.2, 200):
        first = SkyCoord(*random_position(random), unit="deg")
        second = first.directional_offset_by(random.uniform(0, 360) * u.deg, 10**exponent * u.deg)
        pairs.append(tuple(floats([(first.ra.deg, first.dec.deg), (second.ra.deg, second.dec.deg)])))
    true = [separations(*one, *two) for one, two in pairs]
    for form in ("DISTANCE(POINT({0!r}, {1!r}), POINT({2!r}, {3!r}))", "DISTANCE({0!r}, {1!r}, {2!r}, {3!r})"):
        assert_close(values(sky, [form.format(*one, *two) for one, two in pairs]), true)


def check_points_in_polygons(sky):
    """random points in and beside random polygons, as constants and as columns of a table"""
    random = numpy.random.default_rng(SEED + 3)
    columns, true = [], []
    for polygon in (Polygon(random) for _ in range(60)):
        for _ in range(10):
            ra, dec = near(random, polygon.centre, 1.3 * polygon.size)
            if polygon.to_edge(ra, dec) > NEAR_EDGE_DEG:
                columns.append(f"CONTAINS(POINT({ra!r}, {dec!r}), {polygon.adql})")
                true.append(int(polygon.true.contains_lonlat(ra, dec)))
    assert 100 < sum(true) < len(true) - 100
    assert_same(columns, values(sky, columns), true)
    objects = sky.rows("Object")
    positions = list(zip(objects["objectId"].to_pylist(), objects["coord_ra"].to_pylist(), objects["coord_dec"].to_pylist()))
    found = 0
    for polygon in (Polygon(random) for _ in range(40)):
        query = f"SELECT objectId FROM demo.Object WHERE CONTAINS(POINT(coord_ra, coord_dec), {polygon.adql}) = 1"
        answered = {row[0] for row in sky.service.search(query).to_table().iterrows()}
        within = separations(*polygon.centre, *numpy.array([position[1:] for position in positions]).T) <= polygon.size + 1e-9
        for (key, ra, dec), is_near in zip(positions, within):
            inside = bool(is_near) and bool(polygon.true.contains_lonlat(ra, dec))
            assert (key in answered) == inside or polygon.to_edge(ra, dec) < NEAR_EDGE_DEG, (polygon.adql, key)
        found += len(answered)
    assert found > 20, found


def check_shapes_and_shapes(sky):
    """random circles and polygons: which meet and which hold each other"""
    random = numpy.random.default_rng(SEED + 4)
    columns, true = [], []

    def expect(column, truth):
        columns.append(column)
        true.append(int(truth))

    for _ in range(120):
        polygon = Polygon(random)
        ra, dec = near(random, polygon.centre, 2 * polygon.size)
        radius = float(polygon.size * 10 ** random.uniform(-1.2, 0.5))
        circle = f"CIRCLE({ra!r}, {dec!r}, {radius!r})"
        to_edge, farthest = polygon.to_edge(ra, dec), separations(ra, dec, polygon.ra, polygon.dec).max()
        inside = bool(polygon.true.contains_lonlat(ra, dec))
        if abs(to_edge - radius) > NEAR_EDGE_DEG:
            expect(f"INTERSECTS({circle}, {polygon.adql})", inside or to_edge < radius)
            expect(f"INTERSECTS({polygon.adql}, {circle})", inside or to_edge < radius)
            expect(f"CONTAINS({circle}, {polygon.adql})", inside and to_edge > radius)
        # The farthest point of an edge from a centre that is within a quadrant of it is a vertex.
        if abs(farthest - radius) > NEAR_EDGE_DEG and farthest < 90:
            expect(f"CONTAINS({polygon.adql}, {circle})", farthest < radius)
        other_ra, other_dec = near(random, (ra, dec), 2 * radius)
        other_radius = float(radius * 10 ** random.uniform(-1, 0.5))
        apart = float(separations(ra, dec, other_ra, other_dec))
        other = f"CIRCLE({other_ra!r}, {other_dec!r}, {other_radius!r})"
        if abs(apart - radius - other_radius) > NEAR_EDGE_DEG:
            expect(f"INTERSECTS({circle}, {other})", apart < radius + other_radius)
        if abs(apart + other_radius - radius) > NEAR_EDGE_DEG:
            expect(f"CONTAINS({other}, {circle})", apart + other_radius < radius)
    polygons = [Polygon(random) for _ in range(8)]
    for polygon in list(polygons):
        for _ in range(8):
            other = Polygon(random)
            shift = SkyCoord(*near(random, polygon.centre, 1.5 * polygon.size), unit="deg")
            polygons.append(moved(other, shift))
    for one, two in itertools.combinations(polygons, 2):
        if separations(*one.centre, *two.centre) < one.size + two.size:
            expect(f"INTERSECTS({one.adql}, {two.adql})", one.true.intersects_poly(two.true))
    assert 100 < sum(true) < len(true) - 100
    assert_same(columns, values(sky, columns), true)


def moved(polygon, centre):
    """The same polygon around another centre."""
    corners = SkyCoord(polygon.ra, polygon.dec, unit="deg")
    old = SkyCoord(*polygon.centre, unit="deg")
    there = centre.directional_offset_by(old.position_angle(corners), old.separation(corners))
    polygon.centre = (float(centre.ra.deg), float(centre.dec.deg))
    polygon.ra, polygon.dec = there.ra.deg, there.dec.deg
    polygon.true = SingleSphericalPolygon.from_lonlat(polygon.ra, polygon.dec, center=polygon.centre)
    pairs = floats(zip(polygon.ra, polygon.dec))
    polygon.adql = "POLYGON(" + ", ".join(f"{ra!r}, {dec!r}" for ra, dec in pairs) + ")"
    return polygon


def values(sky, columns):
    """The values of expressions, in their order."""
    found = []
    for begin in range(0, len(columns), ASKED_AT_ONCE):
        asked = columns[begin : begin + ASKED_AT_ONCE]
        listed = ", ".join(f"{column} AS c{number}" for number, column in enumerate(asked))
        table = sky.service.search(f"SELECT {listed} FROM demo.Filter WHERE filterId = 1").to_table()
        assert len(table) == 1
        found.extend(table[f"c{number}"][0] for number in range(len(asked)))
    return found


def assert_close(answered, true, atol=1e-12):
    numpy.testing.assert_allclose(numpy.array(answered, dtype=float), true, rtol=TOLERANCE, atol=atol)


def assert_same(columns, answered, true):
    wrong = [f"{column}: {one}, not {two}" for column, one, two in zip(columns, answered, true) if one != two]
    assert not wrong, f"{len(wrong)} of {len(columns)}\n" + "\n".join(wrong[:5])


def random_position(random):
    """A position anywhere; sometimes at a pole or where longitudes begin anew."""
    ra, dec = random.uniform(0, 360), numpy.degrees(numpy.arcsin(random.uniform(-1, 1)))
    special = random.integers(12)
    if special == 0:
        dec = numpy.copysign(90 - 10 ** random.uniform(-3, 0.5), dec)
    elif special == 1:
        ra = 10 ** random.uniform(-3, 0)
    return float(ra), float(dec)


def near(random, centre, radius):
    """A position within a radius of another, degrees."""
    offset = radius * numpy.sqrt(random.uniform())
    there = SkyCoord(*centre, unit="deg").directional_offset_by(random.uniform(0, 360) * u.deg, min(offset, 170) * u.deg)
    return float(there.ra.deg), float(there.dec.deg)


def separations(ra1, dec1, ra2, dec2):
    """Degrees from one position to others."""
    return numpy.degrees(angular_separation(*(numpy.radians(angle) for angle in (ra1, dec1, ra2, dec2))))


def unit_vectors(ra, dec):
    ra, dec = numpy.radians(ra), numpy.radians(dec)
    return numpy.stack([numpy.cos(dec) * numpy.cos(ra), numpy.cos(dec) * numpy.sin(ra), numpy.sin(dec)], axis=-1)


def square_degrees(steradians):
    return steradians * (180 / numpy.pi) ** 2


def floats(pairs):
    return [(float(ra), float(dec)) for ra, dec in pairs]
