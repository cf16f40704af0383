//! Whatever form a restriction of the sky has, it gives the rows that plain spherical trigonometry gives: on one node, on an
//! embedded cluster under both pixelizations, and on three worker processes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use qserv_core::partition::PixelizationKind;
use qserv_tests::engines::{Engine, Processes};

use crate::samples;

/// Distances within this of a boundary are left undecided: engines show ten digits of a coordinate.
const UNDECIDED_DEG: f64 = 1e-6;

/// A condition on a position and an integer key, as ADQL and as geometry.
#[derive(Debug, Clone)]
enum Condition {
    /// Within an angle of a position, in one of the forms that ADQL has for it.
    Near {
        lon: f64,
        lat: f64,
        radius: Radius,
        form: usize,
        wanted: bool,
    },
    /// In a triangle of great circles.
    Triangle {
        vertices: [(f64, f64); 3],
        form: usize,
        wanted: bool,
    },
    /// A circle around the row meets a circle.
    Meets {
        lon: f64,
        lat: f64,
        radius: f64,
        own: f64,
        wanted: bool,
    },
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
}

/// A radius in degrees.
#[derive(Debug, Clone, Copy)]
enum Radius {
    Constant(f64),
    /// One of five, by the row's key.
    Column,
}

impl Radius {
    fn adql(self) -> String {
        match self {
            Self::Constant(degrees) => format!("{degrees:?}"),
            Self::Column => "MOD(objectId, 5)".to_owned(),
        }
    }

    fn degrees(self, key: i64) -> f64 {
        match self {
            Self::Constant(degrees) => degrees,
            Self::Column => [0.0, 1.0, 2.0, 3.0, 4.0][usize::try_from(key % 5).unwrap()],
        }
    }
}

impl Condition {
    fn adql(&self) -> String {
        let bit = |wanted: &bool| u8::from(*wanted);
        match self {
            Self::Near { lon, lat, radius, form, wanted } => {
                let (bit, r) = (bit(wanted), radius.adql());
                let (below, above) = if *wanted { ("<=", ">=") } else { (">", "<") };
                match form % 9 {
                    0 => format!("CONTAINS(POINT(coord_ra, coord_dec), CIRCLE({lon:?}, {lat:?}, {r})) = {bit}"),
                    1 => format!(
                        "{bit} = CONTAINS(POINT('ICRS', coord_ra, coord_dec), CIRCLE('ICRS', {lon:?}, {lat:?}, {r}))"
                    ),
                    2 => format!("CONTAINS(POINT({lon:?}, {lat:?}), CIRCLE(coord_ra, coord_dec, {r})) <> {}", 1 - bit),
                    3 => format!("DISTANCE(coord_ra, coord_dec, {lon:?}, {lat:?}) {below} {r}"),
                    4 => format!("{r} {above} DISTANCE(POINT({lon:?}, {lat:?}), POINT(coord_ra, coord_dec))"),
                    5 => format!("scisql_s2PtInCircle(coord_ra, coord_dec, {lon:?}, {lat:?}, {r}) = {bit}"),
                    6 => format!("scisql_angSep({lon:?}, {lat:?}, coord_ra, coord_dec) {below} {r}"),
                    7 => format!("INTERSECTS(POINT(coord_ra, coord_dec), CIRCLE({lon:?}, {lat:?}, {r})) = {bit}"),
                    _ => format!("CONTAINS(POINT(coord_ra, coord_dec), CIRCLE(POINT({lon:?}, {lat:?}), {r})) = {bit}"),
                }
            }
            Self::Triangle { vertices, form, wanted } => {
                let bit = bit(wanted);
                let list: Vec<String> = vertices.iter().map(|(lon, lat)| format!("{lon:?}, {lat:?}")).collect();
                let (list, words) = (list.join(", "), list.join(", ").replace(',', ""));
                match form % 4 {
                    0 => format!("CONTAINS(POINT(coord_ra, coord_dec), POLYGON({list})) = {bit}"),
                    1 => format!("{} <> INTERSECTS(POLYGON({list}), POINT(coord_ra, coord_dec))", 1 - bit),
                    2 => format!("CONTAINS(POINT(coord_ra, coord_dec), REGION('Polygon ICRS {words}')) = {bit}"),
                    _ => format!("scisql_s2PtInCPoly(coord_ra, coord_dec, {list}) = {bit}"),
                }
            }
            Self::Meets { lon, lat, radius, own, wanted } => format!(
                "INTERSECTS(CIRCLE(coord_ra, coord_dec, {own:?}), CIRCLE({lon:?}, {lat:?}, {radius:?})) = {}",
                bit(wanted)
            ),
            Self::And(one, two) => format!("({} AND {})", one.adql(), two.adql()),
            Self::Or(one, two) => format!("({} OR {})", one.adql(), two.adql()),
            Self::Not(inner) => format!("NOT ({})", inner.adql()),
        }
    }

    /// Whether a row satisfies it; `None` on a boundary.
    fn holds(&self, key: i64, position: (f64, f64)) -> Option<bool> {
        match self {
            Self::Near { lon, lat, radius, wanted, .. } => {
                within(separation_deg(position, (*lon, *lat)), radius.degrees(key)).map(|inside| inside == *wanted)
            }
            Self::Triangle { vertices, wanted, .. } => in_triangle(position, vertices).map(|inside| inside == *wanted),
            Self::Meets { lon, lat, radius, own, wanted } => {
                within(separation_deg(position, (*lon, *lat)), radius + own).map(|meets| meets == *wanted)
            }
            Self::And(one, two) => match (one.holds(key, position), two.holds(key, position)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(one, two) => match (one.holds(key, position), two.holds(key, position)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Not(inner) => inner.holds(key, position).map(|held| !held),
        }
    }
}

fn within(separation_deg: f64, radius_deg: f64) -> Option<bool> {
    ((separation_deg - radius_deg).abs() > UNDECIDED_DEG).then_some(separation_deg < radius_deg)
}

fn unit_vector((lon_deg, lat_deg): (f64, f64)) -> [f64; 3] {
    let (lon, lat) = (lon_deg.to_radians(), lat_deg.to_radians());
    [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn separation_deg(one: (f64, f64), two: (f64, f64)) -> f64 {
    let (a, b) = (unit_vector(one), unit_vector(two));
    let sine = cross(a, b);
    dot(sine, sine).sqrt().atan2(dot(a, b)).to_degrees()
}

/// On the same side of all three edges as the triangle's middle.
fn in_triangle(position: (f64, f64), vertices: &[(f64, f64); 3]) -> Option<bool> {
    let corners = vertices.map(unit_vector);
    let middle = [0, 1, 2].map(|axis| corners.iter().map(|corner| corner[axis]).sum::<f64>());
    let point = unit_vector(position);
    let mut inside = Some(true);
    for edge in 0..3 {
        let normal = cross(corners[edge], corners[(edge + 1) % 3]);
        let length = dot(normal, normal).sqrt();
        let height = dot(normal, point) / length * dot(normal, middle).signum();
        match inside {
            _ if height < -UNDECIDED_DEG.to_radians() => return Some(false),
            Some(true) if height <= UNDECIDED_DEG.to_radians() => inside = None,
            _ => {}
        }
    }
    inside
}

/// Conditions around some of the sky's own objects, where there is something to be right or wrong about.
fn conditions(places: Vec<(f64, f64)>) -> impl Strategy<Value = Condition> {
    let place = (prop::sample::select(places), -3.0..3.0_f64, -3.0..3.0_f64)
        .prop_map(|((lon, lat), east, north)| ((lon + east).rem_euclid(360.0), (lat + north).clamp(-90.0, 90.0)));
    let radius = prop_oneof![
        4 => (0.0..5.0_f64).prop_map(Radius::Constant),
        1 => prop::sample::select(vec![0.0, 90.0, 179.0]).prop_map(Radius::Constant),
        1 => Just(Radius::Column),
    ];
    // One in five asks for what lies outside.
    let wanted = || prop::sample::select(vec![true, true, true, true, false]);
    let near = (place.clone(), radius, 0..9_usize, wanted())
        .prop_map(|((lon, lat), radius, form, wanted)| Condition::Near { lon, lat, radius, form, wanted });
    let triangle = (place.clone(), 0.5..6.0_f64, 0.0..360.0_f64, 0..4_usize, wanted()).prop_map(
        |((lon, lat), size, turn, form, wanted)| {
            let lat = lat.clamp(-89.0, 89.0);
            let corner = |angle: f64| offset((lon, lat), size, turn + angle);
            Condition::Triangle { vertices: [corner(0.0), corner(110.0), corner(230.0)], form, wanted }
        },
    );
    let meets = (place, 0.0..3.0_f64, 0.0..2.0_f64, wanted())
        .prop_map(|((lon, lat), radius, own, wanted)| Condition::Meets { lon, lat, radius, own, wanted });
    prop_oneof![3 => near, 2 => triangle, 1 => meets].prop_recursive(2, 4, 2, |inner| {
        let inner = inner.prop_map(Box::new);
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, two)| Condition::And(one, two)),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| Condition::Or(one, two)),
            inner.prop_map(Condition::Not),
        ]
    })
}

/// The position at a distance from another in a direction east of north.
fn offset((lon_deg, lat_deg): (f64, f64), distance_deg: f64, direction_deg: f64) -> (f64, f64) {
    let (lat, distance, direction) = (lat_deg.to_radians(), distance_deg.to_radians(), direction_deg.to_radians());
    let north = (lat.sin() * distance.cos() + lat.cos() * distance.sin() * direction.cos()).clamp(-1.0, 1.0);
    let east = direction.sin() * distance.sin() * lat.cos();
    let lon = lon_deg + east.atan2(distance.cos() - lat.sin() * north).to_degrees();
    (lon.rem_euclid(360.0), north.asin().to_degrees())
}

/// So many conditions, the same in every run.
fn some_conditions(count: usize, objects: &BTreeMap<i64, (f64, f64)>) -> Vec<Condition> {
    let places: Vec<(f64, f64)> = objects.values().copied().step_by(7).collect();
    let strategy = conditions(places);
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

async fn objects(engine: &dyn Engine) -> BTreeMap<i64, (f64, f64)> {
    let rows = engine.ask("SELECT objectId, coord_ra, coord_dec FROM demo.Object").await.unwrap();
    rows.into_iter().map(|row| (row[0].parse().unwrap(), (row[1].parse().unwrap(), row[2].parse().unwrap()))).collect()
}

/// The queries that ask for the objects of a condition, in one way after another.
fn query(condition: &str, form: usize) -> String {
    match form % 4 {
        0 => format!("SELECT objectId FROM demo.Object WHERE {condition}"),
        1 => format!(
            "SELECT x.objectId FROM (SELECT objectId, coord_ra, coord_dec FROM demo.Object) AS x WHERE {condition}"
        ),
        2 => format!(
            "SELECT objectId FROM demo.Object WHERE objectId IN (SELECT objectId FROM demo.Object WHERE {condition})"
        ),
        // ON of an outer join keeps all rows of its left side: those without a partner are not asked for.
        _ => {
            let own = condition.replace("coord_", "o.coord_").replace("objectId", "o.objectId");
            format!(
                "SELECT DISTINCT o.objectId FROM demo.Object AS o LEFT JOIN demo.Source AS s \
                 ON s.objectId = o.objectId AND {own} WHERE s.sourceId IS NOT NULL"
            )
        }
    }
}

async fn check(
    engine: &dyn Engine,
    objects: &BTreeMap<i64, (f64, f64)>,
    with_sources: &BTreeMap<i64, (f64, f64)>,
    conditions: &[Condition],
) -> Vec<String> {
    let mut failures = Vec::new();
    for (form, condition) in conditions.iter().enumerate() {
        let query = query(&condition.adql(), form);
        let candidates = if form % 4 == 3 { with_sources } else { objects };
        let found: Vec<i64> = match engine.ask(&query).await {
            Ok(rows) => rows.iter().map(|row| row[0].parse().unwrap()).collect(),
            Err(message) => {
                failures.push(format!("{query}\n  {message}"));
                continue;
            }
        };
        for (key, position) in candidates {
            let count = found.iter().filter(|one| *one == key).count();
            match condition.holds(*key, *position) {
                Some(wanted) if count != usize::from(wanted) => {
                    failures.push(format!("{}: {query}\n  {key} at {position:?}: {count} times", engine.name()));
                    break;
                }
                _ => {}
            }
        }
    }
    failures
}

#[tokio::test(flavor = "multi_thread")]
async fn restrictions_of_the_sky_give_what_trigonometry_gives() {
    let healpix = samples::embedded(3, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let h3 = samples::embedded(2, PixelizationKind::H3, 1).await;
    let plain = samples::plain(&healpix.server).await;
    let objects = objects(&plain).await;
    let observed = plain.ask("SELECT DISTINCT objectId FROM demo.Source WHERE objectId IS NOT NULL").await.unwrap();
    let observed: Vec<i64> = observed.iter().map(|row| row[0].parse().unwrap()).collect();
    let with_sources: BTreeMap<i64, (f64, f64)> =
        observed.iter().filter_map(|key| objects.get(key).map(|position| (*key, *position))).collect();
    assert!(objects.len() > 1_000 && with_sources.len() > 500);
    let conditions = some_conditions(300, &objects);
    let decided = |condition: &Condition| {
        let held = objects.iter().filter(|(key, position)| condition.holds(**key, **position) == Some(true)).count();
        held > 0 && held < objects.len()
    };
    assert!(conditions.iter().filter(|condition| decided(condition)).count() > 150, "most conditions cut the sky");

    let mut failures = check(&plain, &objects, &with_sources, &conditions).await;
    failures.extend(check(&healpix.engine, &objects, &with_sources, &conditions).await);
    failures.extend(check(&h3.engine, &objects, &with_sources, &conditions).await);
    let cluster = samples::processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    failures.extend(check(&Processes::new(&cluster), &objects, &with_sources, &conditions[..60]).await);
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures[..failures.len().min(5)].join("\n"));
}
