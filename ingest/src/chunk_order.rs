//! The choice of the chunk order by a database's first load.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use qserv_core::Result;
use qserv_core::catalog::{Table, TableId, TableKind};
use qserv_core::partition::{PixelizationKind, SkyPartition, healpix_29};

use crate::columns::Positions;
use crate::settings::Settings;

/// The order of the cells by which the area with rows is measured: 786,432 cells of 0.05 square degrees.
const AREA_ORDER: u8 = 8;
const CELLS: usize = 12 << (2 * AREA_ORDER);

/// The rows that a first load has seen, and where on the sky they are.
#[derive(Debug, Default)]
pub(crate) struct SkySeen {
    rows: BTreeMap<TableId, (u64, bool)>,
    cells: Vec<u64>,
}

impl SkySeen {
    /// Counts rows of a partitioned table.
    pub(crate) fn see(&mut self, table: &Table, batch: &RecordBatch) -> Result<()> {
        let is_director = matches!(table.kind, TableKind::Director { .. });
        let (rows, _) = self.rows.entry(table.id).or_insert((0, is_director));
        *rows += batch.num_rows() as u64;
        let position = match &table.kind {
            TableKind::Child { position, director_position, .. } => director_position.as_ref().or(position.as_ref()),
            kind => kind.position(),
        };
        let Some(position) = position else { return Ok(()) };
        let positions = Positions::of(batch, position)?;
        self.cells.resize(CELLS.div_ceil(64), 0);
        for (lon_deg, lat_deg) in (0..positions.len()).filter_map(|row| positions.get(row)) {
            let cell = healpix_29(lon_deg, lat_deg) >> (2 * (29 - AREA_ORDER));
            if let Some(word) = self.cells.get_mut((cell / 64) as usize) {
                *word |= 1 << (cell % 64);
            }
        }
        Ok(())
    }

    /// The order that suits what was seen; `None` if there were no rows.
    ///
    /// It follows from the largest director, or where only other tables were loaded, from the largest of those. Rows without any
    /// position are spread over the whole sky.
    pub(crate) fn order(&self, kind: PixelizationKind, settings: &Settings) -> Option<u8> {
        let largest = |directors: bool| {
            self.rows.values().filter(|(_, is_director)| *is_director == directors).map(|(rows, _)| *rows).max()
        };
        let rows = largest(true).or_else(|| largest(false))?;
        let area_fraction = self.area_fraction(rows);
        Some(SkyPartition::order_for_rows(kind, rows, area_fraction, settings.rows_per_chunk(rows)))
    }

    /// The part of the sky that has rows, measured in the finest cells that hold several rows each: in finer ones, the gaps between
    /// the rows would count as empty sky.
    fn area_fraction(&self, rows: u64) -> f64 {
        const ROWS_PER_CELL: u64 = 8;
        let mut cells: Vec<u64> = self.touched_cells();
        for order in (0..=AREA_ORDER).rev() {
            if !cells.is_empty() && cells.len() as u64 * ROWS_PER_CELL <= rows {
                return cells.len() as f64 / f64::from(12_u32 << (2 * order));
            }
            for cell in &mut cells {
                *cell >>= 2;
            }
            cells.dedup();
        }
        1.0
    }

    /// The cells with rows, ascending.
    fn touched_cells(&self) -> Vec<u64> {
        let words = (0_u64..).zip(&self.cells).filter(|(_, word)| **word != 0);
        words
            .flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array};
    use qserv_core::catalog::TableKind;

    use super::*;

    fn order(rows: u64, width_deg: f64, kind: PixelizationKind) -> Option<u8> {
        let table = Table {
            id: TableId(1),
            name: "Object".into(),
            kind: TableKind::Director { key: "id".into(), position: ["ra".into(), "dec".into()] },
            description: None,
            utype: None,
            table_index: None,
            primary_key: vec![],
            columns: vec![],
        };
        // A low-discrepancy sequence over a box at the equator (over the sphere for 360).
        let fraction = |row: u64, step: f64| (row as f64 * step).fract();
        let lon = (0..rows).map(|row| fraction(row, 0.754_877_666_246_693) * width_deg);
        let half_sine = (width_deg / 2.0).min(90.0).to_radians().sin();
        let lat =
            (0..rows).map(|row| ((fraction(row, 0.569_840_290_998_053) * 2.0 - 1.0) * half_sine).asin().to_degrees());
        let batch = RecordBatch::try_from_iter([
            ("ra", Arc::new(Float64Array::from_iter_values(lon)) as ArrayRef),
            ("dec", Arc::new(Float64Array::from_iter_values(lat)) as ArrayRef),
        ])
        .unwrap();
        let mut seen = SkySeen::default();
        seen.see(&table, &batch).unwrap();
        seen.order(kind, &Settings::default())
    }

    #[test]
    fn follows_rows_and_area() {
        use PixelizationKind::{H3, Healpix};
        assert_eq!(SkySeen::default().order(Healpix, &Settings::default()), None);
        // A small table over the whole sky has the twelve base cells, also where its rows are far between.
        assert_eq!(order(1000, 360.0, Healpix), Some(0));
        assert_eq!(order(50_000, 360.0, Healpix), Some(0));
        assert_eq!(order(300_000, 360.0, Healpix), Some(1));
        // The same rows in a field of a hundredth of the sky: a few dozen chunks there.
        let in_field = order(300_000, 20.0, Healpix).unwrap();
        assert!((4..=5).contains(&in_field), "{in_field}");
        assert_eq!(order(300_000, 360.0, H3), Some(0));
    }
}
