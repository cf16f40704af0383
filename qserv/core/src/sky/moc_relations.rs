//! How coverage maps lie to cones and polygons: by dividing cells until a position decides.

use super::healpix::{self, BASE_CELLS, FINEST_ORDER};
use super::{Moc, Region, Relation};

/// After so many cells without a deciding position, what is left of a region lies along the map's border: they touch.
const MOST_CELLS: usize = 1 << 17;

/// Whether every position of a region is in a map.
pub(super) fn map_contains_region(map: &Moc, region: &Region) -> bool {
    // A region may be too small to have a cell's centre in it.
    if !positions_of(region).all(|(lon_deg, lat_deg)| map.contains(lon_deg, lat_deg)) {
        return false;
    }
    let contradicts = |in_map, in_region: bool| in_map == Relation::Disjoint && in_region;
    search(map, region, contradicts, Relation::Inside, Relation::Disjoint) != Found::Position
}

/// Whether every position of a map is in a region.
pub(super) fn region_contains_map(region: &Region, map: &Moc) -> bool {
    let contradicts = |in_map, in_region: bool| in_map == Relation::Inside && !in_region;
    search(map, region, contradicts, Relation::Disjoint, Relation::Inside) != Found::Position
}

/// Whether a map and a region have a position in common.
pub(super) fn map_intersects_region(map: &Moc, region: &Region) -> bool {
    if positions_of(region).any(|(lon_deg, lat_deg)| map.contains(lon_deg, lat_deg)) {
        return true;
    }
    let decides = |in_map, in_region: bool| in_map == Relation::Inside && in_region;
    search(map, region, decides, Relation::Disjoint, Relation::Disjoint) != Found::Nothing
}

/// Some positions (degrees) that are in a region whatever its size: the centre of a cone, the vertices of a polygon.
fn positions_of(region: &Region) -> impl Iterator<Item = (f64, f64)> + '_ {
    let (center, vertices) = match region {
        Region::Cone(cone) => (Some((cone.center().lon_deg(), cone.center().lat_deg())), [].as_slice()),
        Region::Polygon(polygon) => (None, polygon.vertices()),
        _ => (None, [].as_slice()),
    };
    center.into_iter().chain(vertices.iter().copied())
}

#[derive(PartialEq, Eq)]
enum Found {
    /// A position that decides.
    Position,
    /// There is none.
    Nothing,
    /// There may be one on a border.
    Undecided,
}

/// Looks for a cell wholly in or out of the map whose centre, in or out of the region, decides. Cells that cannot have one
/// are passed over: those that lie as `idle_in_map` to the map or as `idle_in_region` to the region.
fn search(
    map: &Moc,
    region: &Region,
    decides: impl Fn(Relation, bool) -> bool,
    idle_in_map: Relation,
    idle_in_region: Relation,
) -> Found {
    let mut cells: Vec<u64> = (0..BASE_CELLS).collect();
    let mut seen = 0;
    for order in 0..=FINEST_ORDER {
        let mut border = Vec::new();
        for cell in cells {
            let in_map = map.relation_of_cell(order, cell);
            if in_map == idle_in_map || region.relation(&healpix::cap(order, cell)) == idle_in_region {
                continue;
            }
            let center = healpix::center(order, cell);
            if decides(in_map, region.contains(center.lon_deg(), center.lat_deg())) {
                return Found::Position;
            }
            border.push(cell);
        }
        seen += border.len();
        if border.is_empty() {
            return Found::Nothing;
        }
        if seen > MOST_CELLS {
            return Found::Undecided;
        }
        cells = border.iter().flat_map(|cell| 4 * cell..4 * cell + 4).collect();
    }
    Found::Undecided
}
