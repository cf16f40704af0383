//! Catalogs of made-up rows: every row in its pixel, and around each pixel all that is near.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use qserv_core::partition::healpix_29;
use qserv_core::sky::separation_deg;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::state::What;
use super::*;

const NAME: &str = "stars";

fn request(margin_arcsec: f64, pixel_rows: u64) -> Request {
    Request { name: NAME.to_owned(), position: Some(["ra".into(), "dec".into()]), margin_arcsec, pixel_rows }
}

fn folder(path: &Path, request: &Request) -> Folder {
    let what = What { query: "q".to_owned(), format: ExportFormat::Hats, hats: Some(request.clone()) };
    Folder::open(path.to_owned(), what).unwrap()
}

/// Positions in clumps, so that pixels have several orders: one at the pole, one across the origin of right ascension.
fn positions(random: &mut ChaCha8Rng, count: usize) -> Vec<(f64, f64)> {
    let clumps = [(10.0, 89.7), (359.9, 0.0), (45.0, 0.1), (120.0, -41.8)];
    let place = |_| {
        let (ra, dec) = clumps[random.random_range(0..clumps.len())];
        let width = [0.02, 0.5, 5.0][random.random_range(0..3)];
        let dec: f64 = dec + random.random_range(-width..width);
        let ra: f64 = ra + random.random_range(-width..width) / dec.to_radians().cos().max(0.01);
        (ra.rem_euclid(360.0), if dec > 90.0 { 180.0 - dec } else { dec })
    };
    (0..count).map(place).collect()
}

fn batch(first: usize, positions: &[(f64, f64)]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values((first..first + positions.len()).map(|id| id as i64)));
    let ra: ArrayRef = Arc::new(Float64Array::from_iter_values(positions.iter().map(|(ra, _)| *ra)));
    let dec: ArrayRef = Arc::new(Float64Array::from_iter_values(positions.iter().map(|(_, dec)| *dec)));
    RecordBatch::try_from_iter([("id", ids), ("ra", ra), ("dec", dec)]).unwrap()
}

/// Writes the parts of an answer with these rows.
fn stage(folder: &Folder, request: &Request, positions: &[(f64, f64)]) -> Vec<PartRecord> {
    let schema = batch(0, &[]).schema();
    let write = |(part, rows): (usize, &[(f64, f64)])| {
        let (temporary, path) = folder.paths(part);
        let position = request.position(&schema).unwrap();
        let mut file = PartFile::create(temporary, Layout::Staged(position), &schema).unwrap();
        for (number, piece) in rows.chunks(501).enumerate() {
            file.write(&batch(part * 2000 + number * 501, piece)).unwrap();
        }
        let record = file.finish(&path).unwrap();
        folder.keep(part, &record).unwrap();
        record
    };
    positions.chunks(2000).enumerate().map(write).collect()
}

/// The numbers of the rows in a file, in its order, and their cells.
fn read(path: &Path) -> (Vec<usize>, Vec<i64>) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let (mut ids, mut cells) = (Vec::new(), Vec::new());
    for batch in reader.map(Result::unwrap) {
        let numbers = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().values().to_vec();
        ids.extend(numbers("id").into_iter().map(|id| usize::try_from(id).unwrap()));
        cells.extend(numbers("_healpix_29"));
        assert_eq!(batch.column_by_name("ra").unwrap().as_primitive::<Float64Type>().len(), batch.num_rows());
    }
    (ids, cells)
}

/// The files of a catalog by their pixels.
fn files(path: &Path, catalog: &str) -> BTreeMap<Pixel, (Vec<usize>, Vec<i64>)> {
    let info = fs::read_to_string(path.join(catalog).join("partition_info.csv")).unwrap();
    let pixel = |line: &str| {
        let (order, cell) = line.split_once(',').unwrap();
        let pixel = Pixel { order: order.parse().unwrap(), cell: cell.parse().unwrap() };
        (pixel, read(&path.join(catalog).join(DATASET).join(pixel.path())))
    };
    info.lines().skip(1).map(pixel).collect()
}

#[tokio::test]
async fn a_catalog_has_each_row_once_and_margins_have_all_that_is_near() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let positions = positions(&mut random, 9000);
    let home = tempfile::tempdir().unwrap();
    let request = request(40.0, 300);
    let folder = folder(home.path(), &request);
    let parts = stage(&folder, &request, &positions);
    let schema = batch(0, &[]).schema();
    let built = build(&request, &folder, &schema, &parts, &ProgressBar::hidden()).await.unwrap();
    assert_eq!(built.rows.iter().map(|record| record.rows).sum::<u64>(), 9000);

    let catalog = files(home.path(), NAME);
    let cell_of: Vec<u64> = positions.iter().map(|(ra, dec)| healpix_29(*ra, *dec)).collect();
    let mut all: Vec<usize> = Vec::new();
    for (pixel, (ids, cells)) in &catalog {
        assert!(cells.is_sorted() && (ids.len() <= 300 || pixel.order == COUNTED_ORDER));
        for (id, cell) in ids.iter().zip(cells) {
            assert_eq!(i64::try_from(cell_of[*id]).unwrap(), *cell);
            assert!(pixel.range().contains(&cell_of[*id]));
        }
        all.extend(ids);
    }
    all.sort_unstable();
    assert!(all.into_iter().eq(0..9000));
    let orders: BTreeSet<u8> = catalog.keys().map(|pixel| pixel.order).collect();
    assert!(orders.len() >= 3, "{orders:?}");

    // Two rows that are near each other and in different pixels: each is in the margin of the other's.
    let margins = files(home.path(), "stars_40arcs");
    let home_of = |cell: u64| *catalog.keys().find(|pixel| pixel.range().contains(&cell)).unwrap();
    let homes: Vec<Pixel> = cell_of.iter().map(|cell| home_of(*cell)).collect();
    let mut pairs = 0;
    for one in 0..positions.len() {
        for other in 0..positions.len() {
            let ((ra, dec), (other_ra, other_dec)) = (positions[one], positions[other]);
            if homes[one] != homes[other]
                && (dec - other_dec).abs() < 0.012
                && separation_deg(ra, dec, other_ra, other_dec) * 3600.0 <= 40.0
            {
                assert!(margins[&homes[one]].0.contains(&other), "{other} is not in the margin of {:?}", homes[one]);
                pairs += 1;
            }
        }
    }
    assert!(pairs > 20, "{pairs}");
    for (pixel, (ids, cells)) in &margins {
        assert!(cells.is_sorted() && ids.iter().all(|id| !pixel.range().contains(&cell_of[*id])));
    }
    assert!(margins.keys().any(|pixel| !catalog.contains_key(pixel)), "the sky without rows has margins too");
    let common = File::open(home.path().join("stars/dataset/_metadata")).unwrap();
    let footer = parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(&common).unwrap();
    assert_eq!(footer.row_groups().iter().map(|group| group.num_rows()).sum::<i64>(), 9000);
}

#[tokio::test]
async fn what_is_whole_is_not_written_again() {
    let positions = positions(&mut ChaCha8Rng::seed_from_u64(6), 2500);
    let home = tempfile::tempdir().unwrap();
    let request = request(5.0, 500);
    let folder = folder(home.path(), &request);
    let parts = stage(&folder, &request, &positions);
    let schema = batch(0, &[]).schema();
    let pixels = pixels_of(&parts);
    // The last one cannot be written, which stops the catalog; what was whole before stays. Files are written as many at once as there are
    // processors: with fewer of these than files, the first is whole before the last begins.
    let in_the_way = home.path().join(NAME).join(DATASET).join(pixels[pixels.len() - 1].path());
    fs::create_dir_all(&in_the_way).unwrap();
    let error = build(&request, &folder, &schema, &parts, &ProgressBar::hidden()).await.err().unwrap();
    assert!(error.to_string().contains("cannot be written"), "{error}");
    let first = home.path().join(NAME).join(DATASET).join(pixels[0].path());
    let modified = || fs::metadata(&first).unwrap().modified().unwrap();
    let is_whole = std::thread::available_parallelism().is_ok_and(|most| most.get() < pixels.len());
    let before = is_whole.then(modified);
    fs::remove_dir(&in_the_way).unwrap();
    let built = build(&request, &folder, &schema, &parts, &ProgressBar::hidden()).await.unwrap();
    assert!(before.is_none_or(|before| before == modified()));
    assert_eq!(built.rows.iter().map(|record| record.rows).sum::<u64>(), 2500);
}

fn pixels_of(parts: &[PartRecord]) -> Vec<Pixel> {
    let mut counts = BTreeMap::new();
    for (cell, rows) in parts.iter().filter_map(|part| part.runs.as_ref()).flat_map(|runs| &runs.counts) {
        *counts.entry(*cell).or_default() += rows;
    }
    pixels::pixels(&counts, 500, COUNTED_ORDER).into_iter().map(|(pixel, _)| pixel).collect()
}

#[tokio::test]
async fn rows_without_a_place_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let request = request(5.0, 500);
    let folder = folder(home.path(), &request);
    let schema = batch(0, &[]).schema();
    let nowhere = [(f64::NAN, 0.0), (0.0, 90.5)];
    for place in nowhere {
        let position = request.position(&schema).unwrap();
        let mut file = PartFile::create(folder.paths(0).0, Layout::Staged(position), &schema).unwrap();
        let error = file.write(&batch(0, &[place])).unwrap_err().to_string();
        assert!(error.contains("without a position"), "{error}");
    }
    let none = stage(&folder, &request, &[]);
    let error = build(&request, &folder, &schema, &none, &ProgressBar::hidden()).await.err().unwrap();
    assert!(error.to_string().contains("no rows"), "{error}");
}
