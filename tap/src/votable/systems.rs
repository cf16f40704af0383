//! The systems in which columns stand: COOSYS for positions, TIMESYS for moments. A column refers to one only where it is known:
//!
//! - The main position of a table is in ICRS: so the database keeps it, and chunks by it. Other equatorial positions may be of any frame.
//! - Galactic longitudes and latitudes have a UCD of their own.
//! - Timestamps are UTC.
//! - A modified Julian date is one by its xtype, or by its unit, its UCD and its name, which then commonly names the time scale too
//!   (`midpointMjdTai`). Where it does not, nothing is said of the scale.

use crate::columns::ResultColumn;
use crate::xml::XmlWriter;

/// UCDs that fix a frame, the ID of its COOSYS, and its name in VOTable.
const FRAMES: [(&str, &str, &str); 4] = [
    ("pos.eq.ra;meta.main", "icrs", "ICRS"),
    ("pos.eq.dec;meta.main", "icrs", "ICRS"),
    ("pos.galactic.lon", "galactic", "galactic"),
    ("pos.galactic.lat", "galactic", "galactic"),
];

/// Time scales of modified Julian dates: what names them in a column's name, and the ID of the TIMESYS.
const MJD_SCALES: [(&str, &str); 4] = [("tai", "mjd_tai"), ("utc", "mjd_utc"), ("tdb", "mjd_tdb"), ("tcb", "mjd_tcb")];

/// The ID of the TIMESYS of timestamps.
const UTC: &str = "utc";

/// One COOSYS or TIMESYS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Frame { id: &'static str, name: &'static str },
    Timestamp,
    Mjd { id: &'static str, scale: &'static str },
}

/// The systems of a table's columns.
pub(super) struct Systems(Vec<Option<System>>);

impl Systems {
    pub(super) fn of(columns: &[ResultColumn]) -> Self {
        Self(columns.iter().map(System::of).collect())
    }

    /// The ID to which each column refers.
    pub(super) fn of_columns(&self) -> impl Iterator<Item = Option<&'static str>> {
        self.0.iter().map(|system| Some(system.as_ref()?.id()))
    }

    /// Appends each system once.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let mut told: Vec<System> = Vec::new();
        for system in self.0.iter().flatten() {
            if !told.contains(system) {
                told.push(*system);
                system.put(out);
            }
        }
    }
}

impl System {
    fn of(column: &ResultColumn) -> Option<Self> {
        let ucd = column.ucd.as_deref().unwrap_or_default().to_ascii_lowercase();
        if let Some(&(_, id, name)) = FRAMES
            .iter()
            .find(|(known, ..)| ucd.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(';')))
        {
            return Some(Self::Frame { id, name });
        }
        if column.xtype.as_deref() == Some("timestamp") {
            return Some(Self::Timestamp);
        }
        let name = column.name.to_ascii_lowercase();
        let is_epoch = column.unit.as_deref() == Some("d") && ucd.starts_with("time.epoch") && name.contains("mjd");
        if !is_epoch && column.xtype.as_deref() != Some("mjd") {
            return None;
        }
        let (scale, id) = MJD_SCALES.iter().find(|(scale, _)| name.ends_with(scale))?;
        Some(Self::Mjd { id, scale })
    }

    fn id(&self) -> &'static str {
        match self {
            Self::Frame { id, .. } | Self::Mjd { id, .. } => id,
            Self::Timestamp => UTC,
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        let mut xml = XmlWriter::fragment(out);
        match self {
            Self::Frame { id, name } => xml.empty("COOSYS", &[("ID", id), ("system", name)]),
            Self::Timestamp => xml.empty("TIMESYS", &[("ID", UTC), ("timescale", "UTC"), ("refposition", "UNKNOWN")]),
            Self::Mjd { id, scale } => xml.empty(
                "TIMESYS",
                &[
                    ("ID", id),
                    ("timeorigin", "MJD-origin"),
                    ("timescale", &scale.to_ascii_uppercase()),
                    ("refposition", "UNKNOWN"),
                ],
            ),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::datatypes::{DataType, Field, TimeUnit};
    use qserv_core::query::field_metadata;

    use super::*;

    #[test]
    fn a_system_is_told_where_it_is_known() {
        let double = DataType::Float64;
        let moment = DataType::Timestamp(TimeUnit::Microsecond, None);
        for (name, datatype, unit, ucd, xtype, expected) in [
            ("ra", &double, "deg", "pos.eq.ra;meta.main", "", Some("icrs")),
            ("dec", &double, "deg", "POS.EQ.DEC;META.MAIN", "", Some("icrs")),
            ("ra", &double, "deg", "pos.eq.ra", "", None),
            ("e_ra", &double, "deg", "stat.error;pos.eq.ra;meta.main", "", None),
            ("l", &double, "deg", "pos.galactic.lon", "", Some("galactic")),
            ("b", &double, "deg", "pos.galactic.lat;meta.main", "", Some("galactic")),
            ("seen", &moment, "", "time.epoch", "", Some("utc")),
            ("midpointMjdTai", &double, "d", "time.epoch", "", Some("mjd_tai")),
            ("t_min_utc", &double, "d", "time.start", "mjd", Some("mjd_utc")),
            ("expMidptMJD", &double, "d", "time.epoch", "", None),
            ("tai", &double, "s", "time.epoch", "", None),
        ] {
            let described = [(field_metadata::UNIT, unit), (field_metadata::UCD, ucd), (field_metadata::XTYPE, xtype)];
            let metadata: HashMap<_, _> = described.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            let column = ResultColumn::of(&Field::new(name, datatype.clone(), true).with_metadata(metadata));
            assert_eq!(System::of(&column).map(|system| system.id()), expected, "{name} {ucd}");
        }
    }
}
