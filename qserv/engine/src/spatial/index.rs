//! Positions in a grid of cubes around the unit sphere: which of them lie near another position.
//!
//! On unit vectors a distance is a chord, and neither the poles nor the meridian 0 are special. Cubes are found by a hash of
//! their place, so the grid takes memory for positions alone, however fine it is.

use qserv_core::sky::Position;

/// What rounding adds to a chord: a hundred times more than it is.
const ROUNDING: f64 = 1e-13;

/// Chords from here on (29 degrees) are not worth a grid: all positions are in one cube.
const LARGEST_USEFUL_CHORD: f64 = 0.5;

/// Sides of the cubes of the coarse grid by which the area that the positions take is estimated: about three degrees.
const COARSE_SIDE: f64 = 0.05;

/// How many positions a cube should hold, where the radius asks for no larger ones.
const POSITIONS_PER_CUBE: f64 = 2.0;

/// A bucket for so many positions: chains stay short, and empty buckets cost four bytes.
const POSITIONS_PER_BUCKET: usize = 1;

/// The chord of an angle in degrees, enlarged by what rounding may add; nothing is that far for a negative angle or NaN.
pub(super) fn chord_of_degrees(angle_deg: f64) -> f64 {
    if angle_deg >= 180.0 {
        return 2.0 + ROUNDING;
    }
    if angle_deg >= 0.0 { 2.0 * (angle_deg.to_radians() * 0.5).sin() * (1.0 + ROUNDING) + ROUNDING } else { f64::NAN }
}

/// The unit vector of a position in degrees; `None` for what is no position.
pub(super) fn unit_vector(lon_deg: f64, lat_deg: f64) -> Option<[f64; 3]> {
    Position::new(lon_deg, lat_deg).ok().map(Position::unit_vector)
}

/// A place in the grid.
type Cube = [i32; 3];

/// A position and the row that it is of.
#[derive(Debug, Clone, Copy)]
struct Entry {
    cube: Cube,
    row: u32,
    vector: [f64; 3],
}

/// Positions by the cube in which they lie.
#[derive(Debug)]
pub(super) struct PositionIndex {
    side: f64,
    /// The first entry of each bucket, and the end of the last.
    starts: Vec<u32>,
    entries: Vec<Entry>,
}

impl PositionIndex {
    /// Memory for each position, in bytes, while the index is made.
    pub(super) const BYTES_PER_POSITION: usize = 2 * size_of::<Entry>() + 4 * size_of::<u32>();

    /// An index of positions, each with its row, for queries up to a chord. Rows without a position are left out.
    pub(super) fn new(positions: impl Iterator<Item = Option<[f64; 3]>>, largest_chord: f64) -> Self {
        let positions: Vec<(u32, [f64; 3])> =
            (0_u32..).zip(positions).filter_map(|(row, vector)| Some((row, vector?))).collect();
        let side = side(&positions, largest_chord);
        let buckets = (positions.len() / POSITIONS_PER_BUCKET).next_power_of_two();
        let mut starts = vec![0_u32; buckets + 1];
        for (_, vector) in &positions {
            if let Some(count) = starts.get_mut(bucket(cube(*vector, side), buckets) + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        let mut next = starts.clone();
        let empty = Entry { cube: [0; 3], row: 0, vector: [0.0; 3] };
        let mut entries = vec![empty; positions.len()];
        for (row, vector) in positions {
            let cube = cube(vector, side);
            let Some(place) = next.get_mut(bucket(cube, buckets)) else { continue };
            if let Some(entry) = entries.get_mut(*place as usize) {
                *entry = Entry { cube, row, vector };
            }
            *place += 1;
        }
        Self { side, starts, entries }
    }

    /// Appends the rows whose positions are at most a chord from this one. Any chord is answered; ones larger than the index
    /// was made for take longer.
    pub(super) fn near(&self, vector: [f64; 3], chord: f64, rows: &mut Vec<u32>) {
        let squared = chord * chord;
        if chord.is_nan() || chord < 0.0 || self.entries.is_empty() {
            return;
        }
        let cubes = (2.0 * chord / self.side + 2.0).powi(3);
        if self.side > 2.0 || cubes > self.entries.len() as f64 {
            rows.extend(
                self.entries.iter().filter(|entry| is_near(entry.vector, vector, squared)).map(|entry| entry.row),
            );
            return;
        }
        let low = cube(vector.map(|coordinate| coordinate - chord), self.side);
        let high = cube(vector.map(|coordinate| coordinate + chord), self.side);
        for x in low[0]..=high[0] {
            for y in low[1]..=high[1] {
                for z in low[2]..=high[2] {
                    self.near_in([x, y, z], vector, squared, rows);
                }
            }
        }
    }

    #[inline]
    fn near_in(&self, cube: Cube, vector: [f64; 3], squared: f64, rows: &mut Vec<u32>) {
        let bucket = bucket(cube, self.starts.len() - 1);
        let (Some(start), Some(end)) = (self.starts.get(bucket), self.starts.get(bucket + 1)) else { return };
        let Some(entries) = self.entries.get(*start as usize..*end as usize) else { return };
        for entry in entries {
            if entry.cube == cube && is_near(entry.vector, vector, squared) {
                rows.push(entry.row);
            }
        }
    }
}

#[inline]
fn is_near(one: [f64; 3], two: [f64; 3], squared: f64) -> bool {
    let [x, y, z] = [one[0] - two[0], one[1] - two[1], one[2] - two[2]];
    x * x + y * y + z * z <= squared
}

#[inline]
fn cube(vector: [f64; 3], side: f64) -> Cube {
    // Sides are at least 1e-9, so that the numbers fit; the conversion saturates where they would not.
    vector.map(|coordinate| (coordinate / side).floor() as i32)
}

#[inline]
fn bucket([x, y, z]: Cube, buckets: usize) -> usize {
    const MIX: [u64; 3] = [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9];
    let parts = [x, y, z].map(|part| u64::from(part.cast_unsigned()));
    let mixed = parts[0].wrapping_mul(MIX[0]) ^ parts[1].wrapping_mul(MIX[1]) ^ parts[2].wrapping_mul(MIX[2]);
    // The upper bits are the well-mixed ones; `buckets` is a power of two.
    ((mixed ^ (mixed >> 29)).wrapping_mul(MIX[0]) >> 32) as usize & (buckets - 1)
}

/// The side of the cubes: twice the chord, so that a query looks into few of them, but not so small that most hold nothing.
fn side(positions: &[(u32, [f64; 3])], largest_chord: f64) -> f64 {
    if largest_chord.is_nan() || largest_chord >= LARGEST_USEFUL_CHORD {
        return 4.0;
    }
    let mut coarse: Vec<Cube> = positions.iter().map(|(_, vector)| cube(*vector, COARSE_SIDE)).collect();
    coarse.sort_unstable();
    coarse.dedup();
    let area = coarse.len() as f64 * COARSE_SIDE * COARSE_SIDE;
    let by_density = (POSITIONS_PER_CUBE * area / positions.len().max(1) as f64).sqrt();
    (2.0 * largest_chord).max(by_density).max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn position() -> impl Strategy<Value = (f64, f64)> {
        let lon = prop_oneof![0.0..360.0_f64, Just(0.0), 359.999..360.0_f64, 10.0..10.01_f64];
        let lat = prop_oneof![-90.0..=90.0_f64, Just(90.0), Just(-90.0), 89.99..90.0_f64, 5.0..5.01_f64];
        (lon, lat)
    }

    proptest! {
        #[test]
        fn finds_what_trying_all_finds(
            positions in proptest::collection::vec(position(), 0..200),
            center in position(),
            radius in prop_oneof![Just(0.0), 0.0..0.01_f64, 0.0..3.0_f64, 0.0..180.0_f64, Just(180.0)],
        ) {
            let chord = chord_of_degrees(radius);
            let vectors = positions.iter().map(|(lon, lat)| unit_vector(*lon, *lat));
            let index = PositionIndex::new(vectors, chord);
            let mut found = Vec::new();
            index.near(unit_vector(center.0, center.1).unwrap(), chord, &mut found);
            found.sort_unstable();
            let mut copies = found.clone();
            copies.dedup();
            prop_assert_eq!(&copies, &found, "each row once");
            for (row, (lon, lat)) in positions.iter().enumerate() {
                let separation = qserv_core::sky::separation_deg(center.0, center.1, *lon, *lat);
                let is_found = found.contains(&u32::try_from(row).unwrap());
                prop_assert!(is_found || separation > radius, "{center:?} {lon} {lat}: {separation} <= {radius}");
                prop_assert!(!is_found || separation <= radius + 1e-5, "{center:?} {lon} {lat}: {separation} > {radius}");
            }
        }
    }

    #[test]
    fn what_is_no_position_is_near_nothing() {
        let positions = [(f64::NAN, 0.0), (0.0, 91.0), (0.0, 0.0), (f64::INFINITY, 0.0)];
        let index = PositionIndex::new(positions.iter().map(|(lon, lat)| unit_vector(*lon, *lat)), 2.0);
        let mut rows = Vec::new();
        index.near([1.0, 0.0, 0.0], 3.0, &mut rows);
        assert_eq!(rows, [2]);
        rows.clear();
        index.near([1.0, 0.0, 0.0], chord_of_degrees(-1.0), &mut rows);
        index.near([1.0, 0.0, 0.0], chord_of_degrees(f64::NAN), &mut rows);
        assert!(rows.is_empty());
    }
}
