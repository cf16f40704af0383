//! Covers of regions by ranges of nested order-29 HEALPix cells: what rows sorted by `_healpix_29` are pruned with.

use std::ops::Range;

use super::Cap;
use super::healpix::{BASE_CELLS, FINEST_ORDER, cap, range_29};
use super::region::Relation;

/// Cells at the region's border are divided until there are this many of them for each range asked for. Twice, because
/// neighbours in the order often merge into one range.
const BORDER_CELLS_A_RANGE: usize = 2;

/// Ranges that cover a region, from the whole sky downwards: cells inside are taken, cells at the border divided.
pub(super) fn ranges(relation: impl Fn(&Cap) -> Relation, max_ranges: usize) -> Vec<Range<u64>> {
    let most_border_cells = max_ranges.saturating_mul(BORDER_CELLS_A_RANGE).max(4);
    let mut inside = Vec::new();
    let mut border: Vec<u64> = Vec::new();
    let mut candidates: Vec<u64> = (0..BASE_CELLS).collect();
    let mut order = 0;
    loop {
        border.clear();
        for cell in candidates.drain(..) {
            match relation(&cap(order, cell)) {
                Relation::Disjoint => {}
                Relation::Inside => inside.push(range_29(order, cell)),
                Relation::Partial => border.push(cell),
            }
        }
        if border.is_empty() || order == FINEST_ORDER || border.len() > most_border_cells {
            break;
        }
        candidates.extend(border.iter().flat_map(|cell| 4 * cell..4 * cell + 4));
        order += 1;
    }
    inside.extend(border.iter().map(|cell| range_29(order, *cell)));
    limit(inside, max_ranges)
}

/// Sorts and merges ranges, then closes the smallest gaps until at most `max_ranges` (at least one) are left.
pub(super) fn limit(mut ranges: Vec<Range<u64>>, max_ranges: usize) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    merge(&mut ranges, |_| false);
    let most = max_ranges.max(1);
    if ranges.len() <= most {
        return ranges;
    }
    let mut gaps: Vec<u64> = ranges.windows(2).map(|pair| pair[1].start - pair[0].end).collect();
    let to_close = ranges.len() - most;
    let (_, widest_closed, _) = gaps.select_nth_unstable(to_close - 1);
    // Of gaps as wide as the widest that is closed, only so many are closed as it takes.
    let widest_closed = *widest_closed;
    let smaller = ranges.windows(2).filter(|pair| pair[1].start - pair[0].end < widest_closed).count();
    let mut equal_left = to_close - smaller;
    merge(&mut ranges, |gap| {
        if gap == widest_closed && equal_left > 0 {
            equal_left -= 1;
            return true;
        }
        gap < widest_closed
    });
    ranges
}

/// Joins sorted ranges that overlap, touch, or whose gap is one to close.
fn merge(ranges: &mut Vec<Range<u64>>, mut closes: impl FnMut(u64) -> bool) {
    ranges.dedup_by(|next, kept| {
        let joins = next.start <= kept.end || closes(next.start - kept.end);
        if joins {
            kept.end = kept.end.max(next.end);
        }
        joins
    });
}
