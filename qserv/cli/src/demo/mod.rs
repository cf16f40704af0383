//! `qserv demo`: a sample sky, made, loaded and served by one command.
//!
//! The sky goes through the same declaration and the same loader as any catalog: Felis, layout, Parquet files, one
//! transaction. So it is there whole or not at all, and a second start serves what is there.

pub mod sky;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use qserv_core::catalog::{Database, DatabaseSnapshot, Example};
use qserv_core::partition::PixelizationKind;
use qserv_core::schema::{declare, read_felis, read_layout};
use qserv_core::{Error, ErrorKind, Result};
use qserv_ingest::{Ingest, LoadFile, Loading, Progress};
use qserv_loaders::{Format, FormatOptions, Input};

use crate::commands::serve::{announce_flight, listen, listen_flight, stopped, tap_url};
use crate::settings::Settings;
use crate::terminal::{counted, output_error};
use crate::wiring::Server;
use sky::SampleSky;

/// Overlap of the sample sky: the near-neighbour searches of the examples stay far below it.
const OVERLAP_ARCSEC: f64 = 60.0;

/// Makes the sky if it is not there, and serves it until told to stop.
///
/// # Errors
/// Those of loading and serving.
pub async fn run(settings: &Settings) -> Result<()> {
    let demo = &settings.demo;
    let listener = listen(&settings.czar.listen).await?;
    let flight = listen_flight(settings).await?;
    let mut server = Server::embedded(settings, &demo.data_dir).await?;
    let mut output = std::io::stdout();
    let mut say = |line: String| writeln!(output, "{line}").map_err(output_error);

    let folder = demo.data_dir.display();
    let found = loaded_objects(server.ingest()).await?;
    let sky = SampleSky::new(demo.seed, found.unwrap_or(demo.objects));
    if let Some(objects) = found {
        say(format!("sample sky of {} found in {folder}", counted(objects, "object")))?;
        if objects != demo.objects {
            say(format!("  (to make one of {}, name another --data-dir)", counted(demo.objects, "object")))?;
        }
    } else {
        say(format!("making a sample sky of {} in {folder}", counted(demo.objects, "object")))?;
        let began = Instant::now();
        let scratch = demo.data_dir.join(&settings.ingest.scratch);
        let report = tokio::select! {
            made = make(server.ingest(), &sky, &scratch) => made?,
            () = stopped() => return Err(Error::new(ErrorKind::Cancelled, "interrupted; the next start makes the sky again")),
        };
        for table in &report.tables {
            say(format!("  {:<13} {:>15}", table.table, counted(table.rows, "row")))?;
        }
        say(format!("ready in {:.1} s", began.elapsed().as_secs_f64()))?;
    }
    let examples = examples(&sky);
    // A sky that an earlier version made has none, or others.
    let snapshot = server.catalog().snapshot().await?;
    if snapshot.databases.get(sky::DATABASE).is_some_and(|database| database.database.examples != examples) {
        server.catalog().replace_examples(sky::DATABASE, &examples).await?;
    }
    say(welcome(&tap_url(settings, &listener)?, &examples))?;
    announce_flight(settings, flight.as_ref())?;
    server.listen_flight(flight);
    server.serve(listener, stopped()).await
}

/// The number of objects of a sky that is there. All tables are loaded in one transaction, so rows of one tell of all.
async fn loaded_objects(ingest: &Ingest) -> Result<Option<u64>> {
    let snapshot = ingest.catalog().snapshot().await?;
    let rows = |database: &DatabaseSnapshot| {
        database.tables.iter().find(|table| table.table.name == "Object").map_or(0, |table| table.rows())
    };
    Ok(snapshot.databases.get(sky::DATABASE).map(|database| rows(database)).filter(|rows| *rows > 0))
}

/// Declares and loads the sky. A database without rows, left by a run that was interrupted, is made again.
///
/// # Errors
/// `Conflict` if there is a database of its name with rows, and those of loading.
pub async fn make(ingest: &Ingest, sky: &SampleSky, scratch: &Path) -> Result<qserv_ingest::CommitReport> {
    if loaded_objects(ingest).await?.is_some() {
        return Err(Error::conflict("there is a sample sky already").with("database", sky::DATABASE));
    }
    if ingest.catalog().snapshot().await?.databases.contains_key(sky::DATABASE) {
        ingest.drop_database(sky::DATABASE).await?;
    }
    let no_resources = |_: &str| Err(Error::internal("the sample sky's schema takes columns from no other file"));
    let felis = read_felis(sky.felis(), "demo.felis.yaml", &no_resources)?;
    let layout = sky.layout(PixelizationKind::Healpix, None, OVERLAP_ARCSEC);
    let declared = declare(&felis, &read_layout(&layout, "demo.toml")?)?;
    ingest.create_database(&Database { examples: examples(sky), ..declared }).await?;

    let folder = scratch.join("sample-sky");
    let files = write_files(sky.clone(), folder.clone()).await;
    let report = match files {
        Ok(files) => ingest.load(sky::DATABASE, files, &Progress::none()).await.map(|(_, report)| report),
        Err(error) => Err(error),
    };
    if let Err(error) = tokio::fs::remove_dir_all(&folder).await {
        tracing::warn!(%error, folder = %folder.display(), "temporary files of the sample sky stay");
    }
    report
}

/// Writes the sky as Parquet files.
async fn write_files(sky: SampleSky, folder: std::path::PathBuf) -> Result<Vec<LoadFile>> {
    let write = move || {
        std::fs::create_dir_all(&folder).map_err(|error| {
            Error::unavailable("cannot make a temporary folder").with("folder", folder.display()).caused_by(error)
        })?;
        sky.write_parquet(&folder)
    };
    let files = tokio::task::spawn_blocking(write)
        .await
        .map_err(|error| Error::internal("the sample sky could not be made").caused_by(error))??;
    let load_file = |file: sky::SampleFile| LoadFile {
        table: file.table.to_owned(),
        input: Input::File(file.path),
        options: FormatOptions::of(Format::Parquet),
    };
    Ok(files.into_iter().map(load_file).collect())
}

/// Queries to start from; each has an answer in every sky of the default seed. They are ADQL 2.0 too, so that clients which know no
/// later version can check and send them.
fn examples(sky: &SampleSky) -> Vec<Example> {
    let example = |title: &str, description: &str, query: String| Example {
        title: title.to_owned(),
        description: Some(description.to_owned()),
        query,
    };
    let mut examples = vec![example(
        "The brightest stars of a cluster on right ascension 0",
        "A cone: only the chunks of sky that it touches are read. Fluxes are in nanojansky; the function makes magnitudes of them.",
        "SELECT TOP 10 objectId, coord_ra, coord_dec, scisql_nanojanskyToAbMag(g_psfFlux) AS g_mag\n\
         FROM demo.Object\n\
         WHERE 1 = CONTAINS(POINT('ICRS', coord_ra, coord_dec), CIRCLE('ICRS', 0.0, 1.0, 0.1))\n  \
           AND refExtendedness = 0\n\
         ORDER BY g_psfFlux DESC"
            .to_owned(),
    )];
    if let Some(star) = sky.pulsating_star() {
        examples.push(example(
            &format!("The light curve of a star that pulsates in {:.3} days", star.period_d),
            "All measurements of one object, found by its key: forced photometry is there for each visit, detected or not.",
            format!(
                "SELECT v.expMidptMJD AS mjd, f.band, scisql_nanojanskyToAbMag(f.psfFlux) AS mag\n\
                 FROM demo.ForcedSource AS f JOIN demo.Visit AS v ON v.visit = f.visit\n\
                 WHERE f.objectId = {}\n\
                 ORDER BY mjd",
                star.object_id
            ),
        ));
    }
    examples.push(example(
        "The stars that vary most in r",
        "Sources are in the chunk of their object, so that this join and its groups need no exchange between workers.",
        "SELECT TOP 10 o.objectId, COUNT(*) AS detections, (MAX(s.psfFlux) - MIN(s.psfFlux)) / AVG(s.psfFlux) AS variation\n\
         FROM demo.Object AS o JOIN demo.Source AS s ON s.objectId = o.objectId\n\
         WHERE o.refExtendedness = 0 AND s.band = 'r' AND s.snr > 20\n\
         GROUP BY o.objectId\n\
         HAVING COUNT(*) >= 6\n\
         ORDER BY variation DESC"
            .to_owned(),
    ));
    examples.push(example(
        "Pairs of objects within five arc seconds",
        "A join of near neighbours: each object is compared with those around it, not with all.",
        "SELECT TOP 20 a.objectId, b.objectId AS neighbour,\n       \
         3600 * DISTANCE(POINT('ICRS', a.coord_ra, a.coord_dec), POINT('ICRS', b.coord_ra, b.coord_dec)) AS arcsec\n\
         FROM demo.Object AS a JOIN demo.Object AS b\n  \
           ON 1 = CONTAINS(POINT('ICRS', a.coord_ra, a.coord_dec), CIRCLE('ICRS', b.coord_ra, b.coord_dec, 5 / 3600.0))\n\
         WHERE a.objectId < b.objectId\n\
         ORDER BY arcsec"
            .to_owned(),
    ));
    examples.push(example(
        "Visits, detections and depth by filter",
        "Small tables (Visit, Filter) are whole on each worker, and join with anything.",
        "SELECT f.band AS filter, COUNT(DISTINCT s.visit) AS visits, COUNT(*) AS detections, MIN(s.psfFlux) AS faintest\n\
         FROM demo.Source AS s JOIN demo.Filter AS f ON f.band = s.band\n\
         GROUP BY f.band\n\
         ORDER BY filter"
            .to_owned(),
    ));
    examples.push(example(
        "The columns of the object table, and what they hold",
        "Every table is described in TAP_SCHEMA, with units and UCDs.",
        "SELECT column_name, datatype, unit, ucd, description\n\
         FROM tap_schema.columns\n\
         WHERE table_name = 'demo.Object'\n\
         ORDER BY column_index"
            .to_owned(),
    ));
    examples
}

/// Examples that the greeting has room for.
const WELCOME_EXAMPLES: usize = 3;

/// What to do now.
fn welcome(tap_url: &str, examples: &[Example]) -> String {
    let indented = |text: &str| text.lines().map(|line| format!("      {line}\n")).collect::<String>();
    let mut text = format!("\nTAP service at {tap_url}, Ctrl-C ends it. Ask it with TOPCAT, pyvo or `qserv query`:\n");
    for (number, example) in examples.iter().take(WELCOME_EXAMPLES).enumerate() {
        text.push_str(&format!("\n  {}. {}\n\n{}", number + 1, example.title, indented(&example.query)));
    }
    let first = examples.first().map(|example| indented(&example.query)).unwrap_or_default();
    text.push_str(&format!(
        "\n  From Python:\n\n      import pyvo\n      service = pyvo.dal.TAPService(\"{tap_url}\")\n      \
         print(service.search(\"\"\"\n{first}      \"\"\").to_table())\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_are_adql_for_everyone() {
        let sky = SampleSky::new(Settings::default().demo.seed, 5_000);
        let examples = examples(&sky);
        assert_eq!(examples.len(), 6);
        qserv_core::schema::check_examples(&examples).unwrap();
        let options = qserv_adql::Options::default();
        for example in &examples {
            assert_eq!(qserv_adql::check(&example.query, &options), Ok(()), "{}", example.title);
        }
        let text = welcome("http://127.0.0.1:8080/tap", &examples);
        assert!(text.contains("TAPService(\"http://127.0.0.1:8080/tap\")") && text.contains("3. "), "{text}");
    }
}
