//! Polygons with great-circle edges, convex or concave, anywhere on the sphere.

mod area;
pub(super) mod from_box;
mod relations;

use std::f64::consts::PI;

use super::cap::MARGIN_DEG;
use super::position::check_lon_lat;
use super::region::Relation;
use super::vector::{
    Vector, add, angle_of_chord_squared, cross, dot, from_lon_lat_deg, negate, norm_squared, sub, unit,
};
use super::window::Window;
use super::{Angle, Cap};
use crate::{Error, Result};

/// The most vertices of a polygon: that it does not cross itself is checked edge by edge with every other edge.
pub const MOST_VERTICES: usize = 4096;

/// A position this close to an edge, in radians (0.8 nano arc seconds), is on it. Unit vectors are rounded to about a tenth
/// of that, so a position that was computed to be on the boundary is found there.
const ON_EDGE: f64 = 4e-15;

/// Neighbouring vertices closer than this (radians; 0.2 micro arc seconds) are one vertex written twice.
const SAME_VERTEX: f64 = 1e-12;

/// Neighbouring vertices closer than this (radians; 0.2 arc seconds) to each other's antipode are refused: rounding would
/// turn the great circle between them by more than 20 micro arc seconds.
const ANTIPODAL: f64 = 1e-6;

/// Beyond this cosine (162 degrees away) a reference position is too near the antipode to draw a path to.
const TOO_FAR_COSINE: f64 = -0.95;

/// A polygon, its boundary included. Its edges are great circles. Of the two parts into which they cut the sphere, the
/// smaller one is inside, whichever way the vertices run.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon {
    /// Longitudes and latitudes in degrees as given, the repeated first one left out.
    vertices: Vec<(f64, f64)>,
    edges: Vec<Edge>,
    /// Steradians.
    area: f64,
    left_is_inside: bool,
    /// For a convex polygon, the side of every edge that is inside: +1 left, -1 right.
    convex_side: Option<f64>,
    references: [Reference; 2],
    bounding_cap: Cap,
    window: Window,
}

/// The way from one vertex to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Edge {
    start: Vector,
    /// The pole on the left side of the edge, unit length.
    normal: Vector,
    /// The direction of the edge where it starts, and where it ends.
    start_tangent: Vector,
    end_tangent: Vector,
    /// Whether each reference position is on the left side.
    references_left: [bool; 2],
}

/// A position off all edges of which is known whether it is inside: paths to it are counted for their crossings.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Reference {
    position: Vector,
    is_inside: bool,
}

impl Edge {
    fn new(start: Vector, end: Vector) -> Self {
        // The same direction as `start x end`, without its cancellation for neighbours.
        let normal = unit(cross(add(end, start), sub(end, start)));
        Self {
            start,
            normal,
            start_tangent: cross(normal, start),
            end_tangent: cross(normal, end),
            references_left: [false; 2],
        }
    }

    /// Whether the nearest position of the edge is between its ends.
    #[inline]
    fn is_beside(&self, position: Vector, tolerance: f64) -> bool {
        dot(self.start_tangent, position) >= -tolerance && dot(self.end_tangent, position) <= tolerance
    }

    #[inline]
    fn holds(&self, position: Vector) -> bool {
        dot(self.normal, position).abs() <= ON_EDGE && self.is_beside(position, ON_EDGE)
    }
}

impl Polygon {
    /// A polygon from its vertices (longitude, latitude in degrees), in order around it either way. The first vertex may
    /// be repeated as the last.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if a vertex is not a position; if there are fewer than 3 or more than
    /// [`MOST_VERTICES`]; if neighbours are the same or antipodal; if the boundary crosses or touches itself, so that
    /// there is no area or no telling what is inside; if both sides are equally large.
    pub fn new(vertices: &[(f64, f64)]) -> Result<Self> {
        for (lon_deg, lat_deg) in vertices {
            check_lon_lat(*lon_deg, *lat_deg)?;
        }
        let mut corners: Vec<Vector> = vertices.iter().map(|(lon, lat)| from_lon_lat_deg(*lon, *lat)).collect();
        if corners.len() > 3 && corners.first() == corners.last() {
            corners.pop();
        }
        let vertices = vertices.get(..corners.len()).unwrap_or(vertices);
        if corners.len() < 3 || corners.len() > MOST_VERTICES {
            return Err(Error::invalid(format!(
                "a polygon has 3 to {MOST_VERTICES} vertices, and this one has {}",
                corners.len()
            )));
        }
        let next = |index: usize| (index + 1) % corners.len();
        for (index, corner) in corners.iter().enumerate() {
            let name = |index: usize| format!("({}, {})", vertices[index].0, vertices[index].1);
            if norm_squared(sub(*corner, corners[next(index)])) < SAME_VERTEX * SAME_VERTEX {
                return Err(Error::invalid(format!("a vertex of a polygon is repeated: {}", name(index))));
            }
            if norm_squared(add(*corner, corners[next(index)])) < ANTIPODAL * ANTIPODAL {
                return Err(Error::invalid(format!(
                    "neighbouring vertices of a polygon are antipodes: {} and {}; put a vertex between them",
                    name(index),
                    name(next(index))
                )));
            }
        }
        let mut edges: Vec<Edge> =
            corners.iter().enumerate().map(|(index, corner)| Edge::new(*corner, corners[next(index)])).collect();
        check_simple(&edges)?;

        let positions = choose_references(&edges);
        for edge in &mut edges {
            edge.references_left = positions.map(|position| dot(edge.normal, position) > 0.0);
        }
        let (left_is_inside, area) = area::smaller_side(&corners, positions[0])?;
        let references = [0, 1].map(|index| {
            let position = positions[index];
            Reference { position, is_inside: reference_is_inside(&edges, index, position, left_is_inside) }
        });
        let side = if left_is_inside { 1.0 } else { -1.0 };
        let is_convex = edges
            .iter()
            .enumerate()
            .all(|(index, edge)| side * dot(edge.normal, corners[(index + 2) % corners.len()]) > 0.0);

        let mut polygon = Self {
            vertices: vertices.to_vec(),
            edges,
            area,
            left_is_inside,
            convex_side: is_convex.then_some(side),
            references,
            bounding_cap: Cap::whole_sky(),
            window: Window::around(&Cap::whole_sky()),
        };
        polygon.bounding_cap = polygon.find_bounding_cap();
        polygon.window = Window::around(&polygon.bounding_cap);
        Ok(polygon)
    }

    /// The vertices, longitude and latitude in degrees, in the order and with the numbers that they were given with.
    #[must_use]
    pub fn vertices(&self) -> &[(f64, f64)] {
        &self.vertices
    }

    /// Whether a position (degrees) is in the polygon; false for what is not a position.
    #[inline]
    #[must_use]
    pub fn contains(&self, lon_deg: f64, lat_deg: f64) -> bool {
        if self.window.misses(lon_deg, lat_deg) || !lon_deg.is_finite() {
            return false;
        }
        self.contains_vector(from_lon_lat_deg(lon_deg, lat_deg))
    }

    fn contains_vector(&self, position: Vector) -> bool {
        if let Some(side) = self.convex_side {
            let clearance = |edge: &Edge| side * dot(edge.normal, position);
            let least = self.edges.iter().map(clearance).fold(f64::INFINITY, f64::min);
            // Very near an edge, or beyond a very sharp corner near two of them: look closer.
            if least.abs() > ON_EDGE {
                return least > 0.0;
            }
        }
        self.edges.iter().any(|edge| edge.holds(position)) || self.is_strictly_inside(position)
    }

    /// Follows a great circle to a reference position and counts the edges on the way.
    fn is_strictly_inside(&self, position: Vector) -> bool {
        let [first, second] = &self.references;
        let (index, reference) = if dot(position, first.position) > TOO_FAR_COSINE { (0, first) } else { (1, second) };
        reference.is_inside != crosses_odd(&self.edges, index, position, reference.position, None)
    }

    pub(super) fn bounding_cap(&self) -> Cap {
        self.bounding_cap
    }

    pub(super) fn relation(&self, cap: &Cap) -> Relation {
        let center = cap.center.unit_vector();
        if self.distance_to_boundary_deg(center) <= cap.radius.degrees() + MARGIN_DEG {
            return Relation::Partial;
        }
        // The boundary does not come into the cap: all of it is on one side.
        if self.is_strictly_inside(center) { Relation::Inside } else { Relation::Disjoint }
    }

    fn distance_to_boundary_deg(&self, position: Vector) -> f64 {
        let mut nearest_chord_squared = f64::INFINITY;
        let mut nearest_sine = f64::INFINITY;
        for edge in &self.edges {
            nearest_chord_squared = nearest_chord_squared.min(norm_squared(sub(position, edge.start)));
            if edge.is_beside(position, 0.0) {
                nearest_sine = nearest_sine.min(dot(edge.normal, position).abs());
            }
        }
        angle_of_chord_squared(nearest_chord_squared).min(nearest_sine.min(1.0).asin()).to_degrees()
    }

    fn find_bounding_cap(&self) -> Cap {
        let Some(around) = Cap::around(self.vertices.iter().copied()) else { return Cap::whole_sky() };
        // The boundary stays as far from the antipode of the centre as its nearest position does, and if the antipode is
        // outside, so does the inside.
        let antipode = negate(around.center.unit_vector());
        let distance_deg = self.distance_to_boundary_deg(antipode);
        if distance_deg <= MARGIN_DEG || self.is_strictly_inside(antipode) {
            return Cap::whole_sky();
        }
        // From 90 degrees down a cap holds every edge between vertices that it holds, and that bound is better rounded.
        let radius_deg =
            if around.radius.degrees() < 89.0 { around.radius.degrees() } else { 180.0 - distance_deg + MARGIN_DEG };
        Cap { center: around.center, radius: Angle::from_degrees(radius_deg) }
    }
}

/// Whether the short way from a position to a reference crosses an odd number of edges (`skipped` not counted).
///
/// Which side of the way a vertex is on is computed once for the edges at both its sides, by the same operations, so a
/// way through a vertex is counted once or twice as it should be.
fn crosses_odd(edges: &[Edge], reference: usize, from: Vector, to: Vector, skipped: Option<usize>) -> bool {
    let way = cross(from, to);
    let is_left = |vertex: Vector| dot(way, vertex) >= 0.0;
    let Some(first) = edges.first() else { return false };
    let first_is_left = is_left(first.start);
    let mut start_is_left = first_is_left;
    let mut is_odd = false;
    for (index, edge) in edges.iter().enumerate() {
        let end_is_left = edges.get(index + 1).map_or(first_is_left, |next| is_left(next.start));
        if start_is_left != end_is_left && skipped != Some(index) {
            let to_is_left = edge.references_left[reference];
            let from_is_left = dot(edge.normal, from) >= 0.0;
            // The great circles meet at two antipodal positions. They are crossed at the same one if the edge goes to the
            // left of the way where the way goes to the right of the edge.
            if to_is_left != from_is_left && end_is_left != to_is_left {
                is_odd = !is_odd;
            }
        }
        start_is_left = end_is_left;
    }
    is_odd
}

/// Two positions as far from all the edges' great circles as a fixed choice allows, not opposite to each other.
fn choose_references(edges: &[Edge]) -> [Vector; 2] {
    let clearance =
        |position: Vector| edges.iter().map(|edge| dot(edge.normal, position).abs()).fold(f64::INFINITY, f64::min);
    let best = |accepts: &dyn Fn(Vector) -> bool| {
        let candidates = spiral(REFERENCE_CANDIDATES).filter(|candidate| accepts(*candidate));
        candidates
            .map(|candidate| (clearance(candidate), candidate))
            .fold((-1.0, [0.0, 0.0, 1.0]), |best, next| if next.0 > best.0 { next } else { best })
    };
    let (_, first) = best(&|_| true);
    let (_, second) = best(&|candidate| dot(candidate, first).abs() < 0.5);
    [first, second]
}

/// With so many candidates one is well clear of the great circles of every polygon that people draw.
const REFERENCE_CANDIDATES: usize = 128;

/// Positions spread evenly over the sphere along a spiral from pole to pole.
fn spiral(count: usize) -> impl Iterator<Item = Vector> {
    const GOLDEN_ANGLE_DEG: f64 = 137.507_764_050_037_85;
    (0..count).map(move |index| {
        let z = 1.0 - (2.0 * index as f64 + 1.0) / count as f64;
        from_lon_lat_deg(GOLDEN_ANGLE_DEG * index as f64, z.asin().to_degrees())
    })
}

/// Walks from the middle of the longest edge to a reference: it starts on the reference's side of that edge.
fn reference_is_inside(edges: &[Edge], reference: usize, to: Vector, left_is_inside: bool) -> bool {
    let length_squared = |index: usize| norm_squared(sub(edges[(index + 1) % edges.len()].start, edges[index].start));
    let longest = (0..edges.len()).max_by(|a, b| length_squared(*a).total_cmp(&length_squared(*b))).unwrap_or_default();
    let middle = unit(add(edges[longest].start, edges[(longest + 1) % edges.len()].start));
    let starts_inside = edges[longest].references_left[reference] == left_is_inside;
    starts_inside != crosses_odd(edges, reference, middle, to, Some(longest))
}

/// Refuses boundaries that cross, touch or retrace themselves.
fn check_simple(edges: &[Edge]) -> Result<()> {
    let count = edges.len();
    let end = |index: usize| edges[(index + 1) % count].start;
    let bound =
        |index: usize| (add(edges[index].start, end(index)), norm_squared(sub(end(index), edges[index].start)).sqrt());
    let bounds: Vec<(Vector, f64)> = (0..count)
        .map(|index| {
            let (sum, length) = bound(index);
            (unit(sum), length)
        })
        .collect();
    for (index, edge) in edges.iter().enumerate() {
        // The next edge shares a vertex: it may only not come back along this one.
        let after = (index + 1) % count;
        if edge.holds(end(after)) || edges[after].holds(edge.start) {
            return Err(Error::invalid("the boundary of a polygon runs back along itself"));
        }
        for other in index + 2..count {
            if other + 1 == index + count {
                continue;
            }
            let reach = 0.5 * PI * 0.5 * (bounds[index].1 + bounds[other].1) + ON_EDGE;
            if norm_squared(sub(bounds[index].0, bounds[other].0)) > reach * reach {
                continue;
            }
            if meets(edge, end(index), &edges[other], end(other)) {
                return Err(Error::invalid(format!(
                    "the boundary of a polygon crosses or touches itself: its edges {} and {} meet",
                    index + 1,
                    other + 1
                )));
            }
        }
    }
    Ok(())
}

fn meets(one: &Edge, one_end: Vector, other: &Edge, other_end: Vector) -> bool {
    if one.holds(other.start) || one.holds(other_end) || other.holds(one.start) || other.holds(one_end) {
        return true;
    }
    let one_end_is_left = dot(other.normal, one_end) > 0.0;
    let other_end_is_left = dot(one.normal, other_end) > 0.0;
    let one_straddles = (dot(other.normal, one.start) > 0.0) != one_end_is_left;
    let other_straddles = (dot(one.normal, other.start) > 0.0) != other_end_is_left;
    one_straddles && other_straddles && one_end_is_left != other_end_is_left
}

#[cfg(test)]
mod tests;
