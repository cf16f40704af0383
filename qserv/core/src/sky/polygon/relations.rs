//! How a polygon lies to cones and to other polygons. Boundaries belong to their shapes.

use std::f64::consts::PI;

use super::{Edge, ON_EDGE, Polygon, meets};
use crate::sky::cone::Cone;
use crate::sky::vector::{Vector, add, angle_of_chord_squared, cross, dot, negate, norm_squared, scale, sub, unit};

/// Pieces of an edge shorter than this (radians) lie where their ends do.
const SHORTEST_PIECE: f64 = 1e-13;

impl Polygon {
    /// Whether every position of a cone is in the polygon.
    pub(in crate::sky) fn contains_cone(&self, cone: &Cone) -> bool {
        let center = cone.center();
        // A polygon is less than half the sky.
        let radius_deg = cone.radius().degrees();
        radius_deg < 90.0
            && self.contains(center.lon_deg(), center.lat_deg())
            && (radius_deg == 0.0
                || self.distance_to_boundary_deg(center.unit_vector()) + ON_EDGE.to_degrees() >= radius_deg)
    }

    /// Whether a cone and the polygon have a position in common.
    pub(in crate::sky) fn intersects_cone(&self, cone: &Cone) -> bool {
        let center = cone.center();
        self.contains(center.lon_deg(), center.lat_deg())
            || self.vertices.iter().any(|(lon, lat)| cone.contains(*lon, *lat))
            || self.distance_to_boundary_deg(center.unit_vector()) <= cone.radius().degrees() + ON_EDGE.to_degrees()
    }

    /// Whether every position of the polygon is in a cone.
    pub(in crate::sky) fn is_in_cone(&self, cone: &Cone) -> bool {
        let radius_deg = cone.radius().degrees();
        if radius_deg >= 180.0 {
            return true;
        }
        if !self.vertices.iter().all(|(lon, lat)| cone.contains(*lon, *lat)) {
            return false;
        }
        // An edge is farthest from the centre at an end, or where it comes nearest to the antipode.
        let antipode = negate(cone.center().unit_vector());
        let near_antipode = self.edges.iter().filter(|edge| edge.is_beside(antipode, 0.0));
        let nearest = near_antipode.map(|edge| dot(edge.normal, antipode).abs().min(1.0).asin()).fold(PI, f64::min);
        if nearest < PI && 180.0 - nearest.to_degrees() > radius_deg + ON_EDGE.to_degrees() {
            return false;
        }
        !self.contains_vector(antipode)
    }

    /// Whether two polygons have a position in common.
    pub(in crate::sky) fn intersects_polygon(&self, other: &Self) -> bool {
        if !self.bounding_cap.intersects(&other.bounding_cap) {
            return false;
        }
        // Boundaries that meet, or one polygon within the other.
        self.has_corner_in(other) || other.has_corner_in(self) || self.boundary_meets(other)
    }

    /// Whether every position of another polygon is in this one.
    ///
    /// It is if the other's whole boundary is: then the rest of the sky beyond this polygon, which is more than half,
    /// is on one side of that boundary, and that side is not the smaller one.
    pub(in crate::sky) fn contains_polygon(&self, inner: &Self) -> bool {
        if !inner.edges.iter().all(|edge| self.contains_vector(edge.start)) {
            return false;
        }
        inner.edges.iter().zip(inner.sides()).all(|(edge, (_, end))| self.contains_edge(edge, end))
    }

    fn has_corner_in(&self, other: &Self) -> bool {
        self.edges.iter().any(|edge| other.contains_vector(edge.start))
    }

    fn boundary_meets(&self, other: &Self) -> bool {
        self.edges.iter().zip(self.sides()).any(|(edge, (start, end))| {
            other.edges_near(start, end).any(|(one, one_end)| meets(edge, end, one, one_end))
        })
    }

    /// The edges, with their ends, that may come near the way from `start` to `end`.
    fn edges_near(&self, start: Vector, end: Vector) -> impl Iterator<Item = (&Edge, Vector)> {
        let (middle, reach) = bound(start, end);
        self.edges.iter().zip(self.sides()).filter_map(move |(edge, (start, end))| {
            let (other_middle, other_reach) = bound(start, end);
            let reach = reach + other_reach + ON_EDGE;
            (norm_squared(sub(middle, other_middle)) <= reach * reach).then_some((edge, end))
        })
    }

    /// Whether an edge with both ends inside stays inside: so does each piece between the places where it meets the boundary.
    fn contains_edge(&self, edge: &Edge, end: Vector) -> bool {
        let along = |position: Vector| dot(edge.start_tangent, position).atan2(dot(edge.start, position));
        let length = along(end);
        let mut places = vec![0.0, length];
        for (other, other_end) in self.edges_near(edge.start, end) {
            if edge.holds(other.start) {
                places.push(along(other.start));
            }
            if meets(edge, end, other, other_end) {
                let meeting = unit(cross(edge.normal, other.normal));
                for candidate in [meeting, negate(meeting)] {
                    if edge.is_beside(candidate, ON_EDGE) && other.is_beside(candidate, ON_EDGE) {
                        places.push(along(candidate));
                    }
                }
            }
        }
        places.retain(|place| (0.0..=length).contains(place));
        places.sort_by(f64::total_cmp);
        places.windows(2).all(|piece| {
            let &[from, to] = piece else { return true };
            let (sin, cos) = (0.5 * (from + to)).sin_cos();
            to - from < SHORTEST_PIECE
                || self.contains_vector(unit(add(scale(edge.start, cos), scale(edge.start_tangent, sin))))
        })
    }
}

/// A position from which the whole way is within a chord of the returned length.
fn bound(start: Vector, end: Vector) -> (Vector, f64) {
    let angle = angle_of_chord_squared(norm_squared(sub(end, start)));
    (unit(add(start, end)), 0.5 * angle)
}
