//! What a filter says about the sky and the keys, read from DataFusion's logical expressions.
//!
//! [`Predicate::of`] keeps the parts of a filter that restrict position or key and weakens everything else to
//! [`Predicate::Anything`], so the result is implied by the filter: a segment that cannot satisfy it holds no row of the
//! answer. A negated condition is read as the one that holds where it is false; a region never becomes its outside.

mod read;
mod sky;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use datafusion::logical_expr::Expr;
use qserv_core::catalog::Segment;
use qserv_core::index::KeyHome;
use qserv_core::partition::ChunkId;
use qserv_core::sky::{Angle, Cap, Position, Region};

use crate::table::Columns;

pub(super) use sky::within;

/// Most ranges of the sort column that a scan tests: more cost more per page than they save.
const MAX_HEALPIX_RANGES: usize = 24;

/// A condition on the position or the key of a row, implied by a filter.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// Every row may satisfy it.
    Anything,
    /// No row satisfies it.
    Nothing,
    /// All of them.
    All(Vec<Predicate>),
    /// At least one of them.
    Any(Vec<Predicate>),
    /// The position is in the region.
    Region(Arc<Region>),
    /// The longitude as stored is in this closed interval, degrees.
    Longitude([f64; 2]),
    /// The latitude is in this closed interval, degrees.
    Latitude([f64; 2]),
    /// The key is one of these.
    Keys(Vec<i64>),
    /// The key is in this closed interval.
    KeyBetween([i64; 2]),
    /// The key is one of some that the key index was asked for, and these are their homes.
    KeyHomes {
        /// Smallest and largest of the keys.
        span: [i64; 2],
        /// The chunks that hold them.
        chunks: BTreeSet<ChunkId>,
        /// Their directors' cells, if each is known.
        cells: Option<BTreeSet<u64>>,
    },
}

impl Predicate {
    /// What the conjunction of these filters says.
    #[must_use]
    pub fn of(filters: &[Expr], columns: Columns<'_>) -> Self {
        all(filters.iter().map(|filter| read::read(filter, columns, 0)).collect())
    }

    /// Whether it restricts nothing.
    #[must_use]
    pub fn is_anything(&self) -> bool {
        matches!(self, Self::Anything)
    }

    /// All keys that it names, for one look-up in the key index.
    pub fn keys(&self, keys: &mut Vec<i64>) {
        match self {
            Self::Keys(named) => keys.extend(named),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.keys(keys)),
            _ => {}
        }
    }

    /// Replaces named keys by their homes. `homes` answers for every key that [`Predicate::keys`] gave.
    /// `cells_hold` says whether a row of the key lies in its director's cell exactly.
    #[must_use]
    pub fn resolve(self, homes: &std::collections::HashMap<i64, Vec<KeyHome>>, cells_hold: bool) -> Self {
        match self {
            Self::Keys(keys) => {
                let found: Vec<&KeyHome> = keys.iter().filter_map(|key| homes.get(key)).flatten().collect();
                let (Some(&low), Some(&high)) = (keys.iter().min(), keys.iter().max()) else {
                    return Self::Nothing;
                };
                if found.is_empty() {
                    return Self::Nothing;
                }
                let cells = if cells_hold { found.iter().map(|home| home.healpix_29).collect() } else { None };
                Self::KeyHomes { span: [low, high], chunks: found.iter().map(|home| home.chunk).collect(), cells }
            }
            Self::All(parts) => all(parts.into_iter().map(|part| part.resolve(homes, cells_hold)).collect()),
            Self::Any(parts) => any(parts.into_iter().map(|part| part.resolve(homes, cells_hold)).collect()),
            other => other,
        }
    }

    /// Whether the segment may hold a row that satisfies it. Never false for one that does.
    #[must_use]
    pub fn may_match(&self, segment: &Segment) -> bool {
        let bounds = &segment.bounds;
        match self {
            Self::Anything => true,
            Self::Nothing => false,
            Self::All(parts) => parts.iter().all(|part| part.may_match(segment)),
            Self::Any(parts) => parts.iter().any(|part| part.may_match(segment)),
            Self::Region(region) => bounds.cap.is_none_or(|cap| {
                Position::new(cap.lon_deg, cap.lat_deg).ok().is_none_or(|center| {
                    region.may_intersect(&Cap { center, radius: Angle::from_degrees(cap.radius_deg) })
                })
            }),
            Self::Longitude(interval) => bounds.lon_deg.is_none_or(|stored| overlaps(*interval, stored)),
            Self::Latitude(interval) => bounds.lat_deg.is_none_or(|stored| overlaps(*interval, stored)),
            Self::Keys(keys) => bounds.key.is_none_or(|[low, high]| keys.iter().any(|key| (low..=high).contains(key))),
            Self::KeyBetween(interval) => bounds.key.is_none_or(|stored| overlaps(*interval, stored)),
            Self::KeyHomes { span, chunks, .. } => {
                segment.chunk.is_none_or(|chunk| chunks.contains(&chunk))
                    && bounds.key.is_none_or(|stored| overlaps(*span, stored))
            }
        }
    }

    /// Ranges of order-29 nested HEALPix cells that hold every row which satisfies it, sorted and disjoint; `None` if
    /// that is not known. They hold for the sort column of tables whose rows have a position of their own, and for
    /// [`Predicate::KeyHomes`] with cells.
    #[must_use]
    pub fn healpix_29_ranges(&self) -> Option<Vec<Range<u64>>> {
        match self {
            Self::Region(region) => Some(region.healpix_29_ranges(MAX_HEALPIX_RANGES)),
            Self::KeyHomes { cells: Some(cells), .. } if cells.len() <= MAX_HEALPIX_RANGES => {
                Some(cells.iter().map(|cell| *cell..cell + 1).collect())
            }
            // Any part of a conjunction implies it; the one that covers least is the one to test.
            Self::All(parts) => parts.iter().filter_map(Self::healpix_29_ranges).min_by_key(|ranges| covered(ranges)),
            Self::Any(parts) => {
                let mut ranges = Vec::new();
                for part in parts {
                    ranges.extend(part.healpix_29_ranges()?);
                }
                Some(merge(ranges))
            }
            Self::Nothing => Some(Vec::new()),
            _ => None,
        }
    }
}

fn overlaps<T: PartialOrd>(left: [T; 2], right: [T; 2]) -> bool {
    left[0] <= right[1] && right[0] <= left[1]
}

fn covered(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

fn merge(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    while merged.len() > MAX_HEALPIX_RANGES {
        // Close the narrowest gap: a wider cover is still a cover.
        let narrowest = (1..merged.len()).min_by_key(|&index| merged[index].start - merged[index - 1].end);
        let Some(index) = narrowest else { break };
        let removed = merged.remove(index);
        merged[index - 1].end = removed.end;
    }
    merged
}

fn all(parts: Vec<Predicate>) -> Predicate {
    let mut kept = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Predicate::Anything => {}
            Predicate::Nothing => return Predicate::Nothing,
            Predicate::All(inner) => kept.extend(inner),
            other => kept.push(other),
        }
    }
    match kept.len() {
        0 => Predicate::Anything,
        1 => kept.remove(0),
        _ => Predicate::All(kept),
    }
}

fn any(parts: Vec<Predicate>) -> Predicate {
    let mut kept = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Predicate::Nothing => {}
            Predicate::Anything => return Predicate::Anything,
            Predicate::Any(inner) => kept.extend(inner),
            other => kept.push(other),
        }
    }
    match kept.len() {
        0 => Predicate::Nothing,
        1 => kept.remove(0),
        _ => Predicate::Any(kept),
    }
}
