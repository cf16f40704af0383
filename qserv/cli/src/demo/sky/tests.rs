use std::collections::{HashMap, HashSet};

use arrow::array::{Array, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float32Type, Float64Type, Int64Type};
use arrow::record_batch::RecordBatch;
use qserv_core::partition::PixelizationKind;

use super::*;

fn whole(sky: &SampleSky, name: &str) -> RecordBatch {
    let table = sky.tables().into_iter().find(|table| table.name == name).unwrap();
    let batches: Vec<RecordBatch> = table.batches.collect::<Result<_>>().unwrap();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn longs(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().iter().collect()
}

fn doubles(batch: &RecordBatch, name: &str) -> Vec<f64> {
    batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().values().to_vec()
}

#[test]
fn the_same_seed_gives_the_same_rows_and_another_seed_others() {
    for name in tables::NAMES {
        assert_eq!(whole(&SampleSky::new(7, 700), name), whole(&SampleSky::new(7, 700), name), "{name}");
    }
    assert_ne!(whole(&SampleSky::new(7, 700), "Object"), whole(&SampleSky::new(8, 700), "Object"));
}

#[test]
fn a_small_sky_is_the_beginning_of_a_large_one() {
    let (small, large) = (whole(&SampleSky::new(7, 600), "Object"), whole(&SampleSky::new(7, 6_000), "Object"));
    assert_eq!(large.num_rows(), 6_000);
    assert_eq!(longs(&small, "objectId"), longs(&large, "objectId")[..600]);
    assert_eq!(doubles(&small, "coord_ra"), doubles(&large, "coord_ra")[..600]);
}

#[test]
fn keys_are_unique() {
    let sky = SampleSky::new(1, 6_000);
    for (table, key) in
        [("Object", "objectId"), ("Source", "sourceId"), ("ForcedSource", "forcedSourceId"), ("Visit", "visit")]
    {
        let keys = longs(&whole(&sky, table), key);
        assert!(keys.iter().all(Option::is_some), "{table}");
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "{table}");
    }
}

#[test]
fn every_child_has_its_object_except_the_declared_orphans() {
    let sky = SampleSky::new(1, 6_000);
    let objects: HashSet<i64> = longs(&whole(&sky, "Object"), "objectId").into_iter().flatten().collect();
    assert!(!objects.iter().any(|key| SampleSky::is_unknown_object_id(*key)));
    let visits: HashSet<Option<i64>> = longs(&whole(&sky, "Visit"), "visit").into_iter().collect();

    let sources = whole(&sky, "Source");
    let (mut without_key, mut unknown_key) = (0, 0);
    for key in longs(&sources, "objectId") {
        match key {
            None => without_key += 1,
            Some(key) if SampleSky::is_unknown_object_id(key) => unknown_key += 1,
            Some(key) => assert!(objects.contains(&key), "{key}"),
        }
    }
    assert!(without_key > 10 && unknown_key > 10, "{without_key} {unknown_key}");
    assert!(longs(&sources, "visit").iter().all(|visit| visits.contains(visit)));

    let forced = whole(&sky, "ForcedSource");
    assert!(longs(&forced, "objectId").iter().all(|key| key.is_some_and(|key| objects.contains(&key))));
    assert!(longs(&forced, "visit").iter().all(|visit| visits.contains(visit)));
    // A detection is a forced measurement that was bright enough.
    assert!(sources.num_rows() > 3 * 6_000 && forced.num_rows() > sources.num_rows(), "{}", sources.num_rows());
}

#[test]
fn the_wrap_and_the_pole_are_inside_and_pairs_are_close() {
    let objects = whole(&SampleSky::new(1, 2_000), "Object");
    let (ra, dec) = (doubles(&objects, "coord_ra"), doubles(&objects, "coord_dec"));
    let count = |inside: &dyn Fn(f64, f64) -> bool| ra.iter().zip(&dec).filter(|(ra, dec)| inside(**ra, **dec)).count();
    assert_eq!(count(&|ra, dec| (0.0..360.0).contains(&ra) && (-90.0..=90.0).contains(&dec)), 2_000);
    assert!(count(&|ra, dec| ra < 5.0 && dec.abs() < 5.0) > 50);
    assert!(count(&|ra, dec| ra > 355.0 && dec.abs() < 5.0) > 50);
    for quarter in 0..4 {
        let west = 90.0 * f64::from(quarter);
        assert!(count(&|ra, dec| dec < -86.0 && (west..west + 90.0).contains(&ra)) > 20);
    }

    let keys: HashMap<i64, usize> =
        longs(&objects, "objectId").into_iter().enumerate().map(|(row, key)| (key.unwrap(), row)).collect();
    let separation_arcsec = |a: usize, b: usize| {
        let (a, b) = (place::Place::new(ra[a], dec[a]).unit_vector(), place::Place::new(ra[b], dec[b]).unit_vector());
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt().to_degrees() * 3600.0
    };
    let primary = objects.column_by_name("detect_isPrimary").unwrap().as_boolean().clone();
    let (mut blends, mut duplicates) = (0, 0);
    for (row, parent) in longs(&objects, "parentObjectId").into_iter().enumerate() {
        let Some(parent) = parent else { continue };
        let separation = separation_arcsec(row, keys[&parent]);
        if primary.value(row) {
            assert!(separation > 0.2 && separation < 2.1, "{separation}");
            blends += 1;
        } else {
            assert_eq!(separation, 0.0);
            duplicates += 1;
        }
    }
    assert_eq!((blends, duplicates), (40, 4));
}

#[test]
fn fluxes_are_missing_negative_and_variable_now_and_then() {
    let sky = SampleSky::new(1, 5_000);
    let objects = whole(&sky, "Object");
    let u_flux = objects.column_by_name("u_psfFlux").unwrap().as_primitive::<Float32Type>();
    assert!(u_flux.null_count() > 10 && u_flux.iter().flatten().filter(|flux| *flux <= 0.0).count() > 10);
    assert!(u_flux.iter().flatten().all(f32::is_finite));

    let star = sky.pulsating_star().unwrap();
    let forced = whole(&sky, "ForcedSource");
    let fluxes = forced.column_by_name("psfFlux").unwrap().as_primitive::<Float32Type>();
    let bands = forced.column_by_name("band").unwrap().as_string::<i32>();
    let rows = longs(&forced, "objectId").into_iter().enumerate().filter(|(_, key)| *key == Some(star.object_id));
    let r_band: Vec<f32> = rows
        .filter(|(row, _)| bands.value(*row) == "r")
        .filter(|(row, _)| fluxes.is_valid(*row))
        .map(|(row, _)| fluxes.value(row))
        .collect();
    let (low, high) = r_band.iter().fold((f32::MAX, 0f32), |(low, high), flux| (low.min(*flux), high.max(*flux)));
    assert!(r_band.len() > 4 && high > 1.1 * low, "{r_band:?}");
}

#[test]
fn declared_and_generated_columns_are_the_same() {
    let sky = SampleSky::new(1, 100);
    let felis = qserv_core::schema::read_felis(sky.felis(), "demo.felis.yaml", &|_| unreachable!()).unwrap();
    let layout = sky.layout(PixelizationKind::Healpix, Some(4), 60.0);
    let layout = qserv_core::schema::read_layout(&layout, "demo.toml").unwrap();
    let database = qserv_core::schema::declare(&felis, &layout).unwrap();
    assert_eq!(database.name, DATABASE);
    assert_eq!((database.chunk_order, database.overlap_arcsec), (Some(4), 60.0));
    assert_eq!(database.foreign_keys.len(), 4);
    for name in tables::NAMES {
        let declared = database.table(name).unwrap();
        let batch = whole(&sky, name);
        let columns = |schema: &arrow::datatypes::Schema| -> Vec<(String, arrow::datatypes::DataType)> {
            schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
        };
        assert_eq!(columns(&declared.schema()), columns(&batch.schema()), "{name}");
        for (column, values) in declared.columns.iter().zip(batch.columns()) {
            assert!(column.nullable || values.null_count() == 0, "{name}.{}", column.name);
            assert!(column.description.is_some() && column.ucd.is_some(), "{name}.{}", column.name);
        }
    }
}

#[test]
fn files_hold_every_row() {
    let (sky, folder) = (SampleSky::new(3, 300), tempfile::tempdir().unwrap());
    let csv = sky.write_csv(folder.path()).unwrap();
    let parquet = sky.write_parquet(folder.path()).unwrap();
    for (csv, parquet) in csv.iter().zip(&parquet) {
        assert_eq!((csv.table, csv.rows), (parquet.table, parquet.rows));
        let text = std::fs::read_to_string(&csv.path).unwrap();
        assert_eq!(text.lines().count() as u64, csv.rows + 1);
        assert_eq!(text.lines().nth(1).unwrap().split(',').count(), text.lines().next().unwrap().split(',').count());

        let file = std::fs::File::open(&parquet.path).unwrap();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let batches: Vec<RecordBatch> = reader.build().unwrap().map(|batch| batch.unwrap()).collect();
        let read = concat_batches(&batches[0].schema(), &batches).unwrap();
        assert_eq!(read.columns(), whole(&sky, parquet.table).columns());
    }
}
