//! Match tables: stored once by each of their directors, and never counted twice.

use std::fmt::Write;

use qserv_cli::settings::Settings;
use qserv_cli::wiring::Server;
use qserv_core::schema::{declare, read_felis, read_layout};
use qserv_ingest::{LoadFile, Loading, Progress};
use qserv_loaders::{BadRows, Format, FormatOptions, Input};
use qserv_tests::engines::{Embedded, Engine, Plain};

const FELIS: &str = "
name: pairs
tables:
- name: Star
  columns:
  - {name: starId, datatype: long, nullable: false}
  - {name: ra, datatype: double, nullable: false}
  - {name: dec, datatype: double, nullable: false}
- name: Reference
  columns:
  - {name: referenceId, datatype: int, nullable: false}
  - {name: lon, datatype: double, nullable: false}
  - {name: lat, datatype: double, nullable: false}
- name: Pair
  columns:
  - {name: star, datatype: long}
  - {name: reference, datatype: int}
  - {name: separation, datatype: double}
";

const LAYOUT: &str = "
[database]
name = 'pairs'
chunk_order = 3
[tables.Star]
kind = 'director'
key = 'starId'
position = ['ra', 'dec']
[tables.Reference]
kind = 'director'
key = 'referenceId'
position = ['lon', 'lat']
[tables.Pair]
kind = 'match'
left = ['Star', 'star']
right = ['Reference', 'reference']
";

const QUERIES: [&str; 14] = [
    "SELECT COUNT(*), COUNT(star), COUNT(reference), SUM(separation) FROM pairs.Pair",
    "SELECT COUNT(*), SUM(p.separation) FROM pairs.Star s JOIN pairs.Pair p ON s.starId = p.star",
    "SELECT COUNT(*), SUM(p.separation) FROM pairs.Reference r JOIN pairs.Pair p ON r.referenceId = p.reference",
    "SELECT COUNT(*), SUM(p.separation) FROM pairs.Star s JOIN pairs.Pair p ON s.starId = p.star JOIN pairs.Reference r ON r.referenceId = p.reference",
    "SELECT COUNT(*), COUNT(p.separation) FROM pairs.Star s LEFT JOIN pairs.Pair p ON s.starId = p.star",
    "SELECT COUNT(*), COUNT(p.separation) FROM pairs.Reference r LEFT JOIN pairs.Pair p ON r.referenceId = p.reference",
    "SELECT COUNT(*), COUNT(s.starId), COUNT(r.referenceId) FROM pairs.Pair p LEFT JOIN pairs.Star s ON s.starId = p.star LEFT JOIN pairs.Reference r ON r.referenceId = p.reference",
    "SELECT star, COUNT(*) AS n FROM pairs.Pair GROUP BY star ORDER BY n DESC, star",
    "SELECT reference, COUNT(*) AS n FROM pairs.Pair GROUP BY reference ORDER BY n DESC, reference",
    "SELECT r.referenceId, COUNT(*) AS n FROM pairs.Reference r JOIN pairs.Pair p ON r.referenceId = p.reference GROUP BY r.referenceId ORDER BY r.referenceId",
    "SELECT COUNT(*), SUM(p.separation) FROM pairs.Pair p JOIN pairs.Reference r ON r.referenceId = p.reference WHERE CONTAINS(POINT(r.lon, r.lat), CIRCLE(0, 0, 20)) = 1",
    "SELECT COUNT(*), SUM(p.separation) FROM pairs.Pair p JOIN pairs.Star s ON s.starId = p.star WHERE CONTAINS(POINT(s.ra, s.dec), CIRCLE(0, 0, 20)) = 1",
    "SELECT COUNT(*), SUM(separation) FROM pairs.Pair WHERE star = 7 OR reference = 7",
    "SELECT COUNT(*) FROM pairs.Pair a JOIN pairs.Pair b ON a.reference = b.star",
];

/// Two skies of points and pairs of their keys, some keys missing, some unknown, some repeated.
fn files() -> [(&'static str, String); 3] {
    let position = |number: u64, step: f64| {
        (number as f64 * step % 360.0, (number as f64 * 0.618_034 % 1.0).mul_add(170.0, -85.0))
    };
    let mut stars = "starId,ra,dec\n".to_owned();
    let mut references = "referenceId,lon,lat\n".to_owned();
    let mut pairs = "star,reference,separation\n".to_owned();
    for number in 0..400_u64 {
        let (ra, dec) = position(number, 137.5);
        writeln!(stars, "{number},{ra},{dec}").unwrap();
        let (lon, lat) = position(number, 99.1);
        writeln!(references, "{number},{lon},{lat}").unwrap();
    }
    for number in 0..1500_u64 {
        let key = |factor: u64, missing: u64| {
            let key = number * factor % 430;
            if number % missing == 3 { "\\N".to_owned() } else { key.to_string() }
        };
        writeln!(pairs, "{},{},{}", key(7, 11), key(13, 17), number % 40).unwrap();
    }
    [("Star", stars), ("Reference", references), ("Pair", pairs)]
}

async fn check(workers: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.up.workers = workers;
    settings.up.replication = 1;
    let server = Server::embedded(&settings, &folder.path().join("data")).await.unwrap();
    let felis = read_felis(FELIS, "pairs.yaml", &|_| unreachable!()).unwrap();
    let database = declare(&felis, &read_layout(LAYOUT, "pairs.toml").unwrap()).unwrap();
    server.ingest().create_database(&database).await.unwrap();
    let options = FormatOptions::of(Format::Csv);
    let mut loads = Vec::new();
    let mut whole = Vec::new();
    for (table, text) in files() {
        let path = folder.path().join(format!("{table}.csv"));
        std::fs::write(&path, text).unwrap();
        let input = Input::File(path.clone());
        let rows =
            qserv_loaders::open(input, database.table(table).unwrap(), &options, &BadRows::new(0), folder.path())
                .unwrap();
        whole.push(("pairs".to_owned(), table.to_owned(), rows.map(|rows| rows.unwrap().batch).collect::<Vec<_>>()));
        loads.push(LoadFile { table: table.to_owned(), input: Input::File(path), options: options.clone() });
    }
    server.ingest().load("pairs", loads, &Progress::none()).await.unwrap();

    let plain = Plain::new(&server.queries().snapshot().await.unwrap(), whole).unwrap();
    let engine = Embedded(server.queries());
    for query in QUERIES {
        let wanted = plain.ask(query).await.unwrap();
        assert!(!wanted.is_empty(), "{query}");
        assert_eq!(engine.ask(query).await.unwrap(), wanted, "{workers} workers: {query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn match_tables_are_joined_by_either_side() {
    check(1).await;
    check(3).await;
}
