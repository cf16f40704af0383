//! The files of a HATS catalog beside its rows: what it is, which pixels it has, and its columns.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData};
use qserv_core::catalog::HEALPIX_29;
use qserv_core::clock::{Clock, SystemClock};
use qserv_core::{Error, Result};

use super::pixels::Pixel;
use crate::terminal::output_error;

/// The version of HATS that this is, and its date.
const HATS_VERSION: [(&str, &str); 2] = [("hats_version", "v1.0"), ("hats_release_date", "2025-08-22")];

/// The folder of a catalog's rows.
pub(super) const DATASET: &str = "dataset";

/// `_metadata` repeats the footers of all files, and is left out of catalogs in which these have more than so many entries: HATS can do
/// without, and whoever reads the file has all of it in memory.
const MAX_METADATA_ENTRIES: usize = 1 << 20;

/// What the properties of a catalog tell beside the pixels.
pub(super) struct Properties {
    pub(super) said: Vec<(&'static str, String)>,
}

impl Properties {
    /// Of a catalog, or of the margin of one.
    pub(super) fn catalog(name: &str, kind: &str, position: &[String; 2]) -> Self {
        let [ra, dec] = position;
        let own = [("obs_collection", name), ("dataproduct_type", kind), ("hats_col_ra", ra), ("hats_col_dec", dec)];
        let cell =
            [("hats_col_healpix", HEALPIX_29), ("hats_col_healpix_order", "29"), ("hats_npix_suffix", ".parquet")];
        let said = own.into_iter().chain(cell).map(|(key, value)| (key, value.to_owned())).collect();
        Self { said }
    }

    /// Of a folder that holds a catalog and its margin.
    pub(super) fn collection(name: &str, catalog: &str, margin: Option<&str>) -> Self {
        let mut said = vec![("obs_collection", name.to_owned()), ("hats_primary_table_url", catalog.to_owned())];
        if let Some(margin) = margin {
            said.extend(["all_margins", "default_margin"].map(|key| (key, margin.to_owned())));
        }
        Self { said }
    }

    pub(super) fn and(mut self, key: &'static str, value: impl ToString) -> Self {
        self.said.push((key, value.to_string()));
        self
    }

    /// Writes them in the syntax of Java's properties.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let now = chrono::DateTime::from_timestamp_millis(SystemClock.unix_ms()).unwrap_or_default();
        let builder = format!("qserv v{}", env!("CARGO_PKG_VERSION"));
        let made = [("hats_builder", builder), ("hats_creation_date", now.format("%Y-%m-%dT%H:%MUTC").to_string())];
        let version = HATS_VERSION.map(|(key, value)| (key, value.to_owned()));
        let mut text = String::from("#HATS\n");
        for (key, value) in self.said.iter().chain(&made).chain(&version) {
            let value = value.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
            text.push_str(&format!("{key}={value}\n"));
        }
        fs::write(path, text).map_err(output_error)
    }
}

/// Writes all that stands beside the rows of a catalog. Its files are those of these pixels.
pub(super) fn write(folder: &Path, schema: &SchemaRef, pixels: &[(Pixel, u64)], properties: Properties) -> Result<()> {
    let dataset = folder.join(DATASET);
    fs::create_dir_all(&dataset).map_err(output_error)?;
    let mut info = String::from("Norder,Npix\n");
    pixels.iter().for_each(|(Pixel { order, cell }, _)| info.push_str(&format!("{order},{cell}\n")));
    fs::write(folder.join("partition_info.csv"), info).map_err(output_error)?;

    let common = dataset.join("_common_metadata");
    let file = BufWriter::new(File::create(&common).map_err(output_error)?);
    let written = ArrowWriter::try_new(file, SchemaRef::clone(schema), None).and_then(ArrowWriter::close);
    written.map_err(unwritten)?;
    let bytes = write_metadata(&dataset, &common, pixels)?;

    let cells: f64 = pixels.iter().map(|(pixel, _)| 4_f64.powi(-i32::from(pixel.order)) / 12.0).sum();
    let properties = properties
        .and("hats_nrows", pixels.iter().map(|(_, rows)| rows).sum::<u64>())
        .and("hats_max_rows", pixels.iter().map(|(_, rows)| *rows).max().unwrap_or(0))
        .and("hats_order", pixels.iter().map(|(pixel, _)| pixel.order).max().unwrap_or(0))
        .and("hats_estsize", bytes / 1024)
        .and("moc_sky_fraction", format!("{cells:.5}"));
    // The names of before HATS 1.0 and since then.
    ["properties", "hats.properties"].into_iter().try_for_each(|name| properties.write(&folder.join(name)))
}

/// Writes the footers of all files into one; the bytes of the files.
fn write_metadata(dataset: &Path, common: &Path, pixels: &[(Pixel, u64)]) -> Result<u64> {
    let footer = |path: &Path| -> Result<ParquetMetaData> {
        let file = File::open(path).map_err(output_error)?;
        ParquetMetaDataReader::new().parse_and_finish(&file).map_err(unwritten)
    };
    let mut groups = Some(Vec::new());
    let mut entries = 0;
    let mut bytes = 0;
    for (pixel, _) in pixels {
        let place = pixel.path();
        let path = dataset.join(&place);
        bytes += fs::metadata(&path).map_err(output_error)?.len();
        let Some(groups) = groups.as_mut().filter(|_| entries <= MAX_METADATA_ENTRIES) else { continue };
        for group in footer(&path)?.row_groups() {
            entries += group.num_columns();
            groups.push(of_file(group, &place).map_err(unwritten)?);
        }
    }
    if entries > MAX_METADATA_ENTRIES {
        groups = None;
    }
    let Some(groups) = groups else { return Ok(bytes) };
    let file_metadata = footer(common)?.file_metadata().clone();
    let metadata = ParquetMetaData::new(file_metadata, groups);
    let mut file = BufWriter::new(File::create(dataset.join("_metadata")).map_err(output_error)?);
    file.write_all(b"PAR1").map_err(output_error)?;
    ParquetMetaDataWriter::new(&mut file, &metadata).finish().map_err(unwritten)?;
    file.flush().map_err(output_error)?;
    Ok(bytes)
}

/// What a footer says of its row group, as another file says it of that file.
fn of_file(group: &RowGroupMetaData, place: &str) -> std::result::Result<RowGroupMetaData, ParquetError> {
    let columns = group.columns().iter().map(|column| {
        // The indexes' places are left out: they are those in the file, and only its own footer tells them.
        column.clone().into_builder().set_file_path(place.to_owned()).build()
    });
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
    group.clone().into_builder().set_column_metadata(columns).build()
}

fn unwritten(error: ParquetError) -> Error {
    Error::unavailable("the files of the catalog cannot be written").caused_by(error)
}
