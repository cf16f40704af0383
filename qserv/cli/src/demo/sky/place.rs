//! Places on the sphere and small steps between them, right at the poles too.

/// ICRS right ascension in [0, 360) and declination, degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) ra_deg: f64,
    pub(super) dec_deg: f64,
}

impl Place {
    pub(super) fn new(ra_deg: f64, dec_deg: f64) -> Self {
        // rem_euclid of a tiny negative number rounds to 360 itself.
        let wrapped = ra_deg.rem_euclid(360.0);
        Self { ra_deg: if wrapped >= 360.0 { 0.0 } else { wrapped }, dec_deg: dec_deg.clamp(-90.0, 90.0) }
    }

    pub(super) fn unit_vector(self) -> [f64; 3] {
        let (sin_ra, cos_ra) = self.ra_deg.to_radians().sin_cos();
        let (sin_dec, cos_dec) = self.dec_deg.to_radians().sin_cos();
        [cos_dec * cos_ra, cos_dec * sin_ra, sin_dec]
    }

    /// The place this far east and north on the tangent plane, degrees. At a pole, east and north are those of the
    /// meridian `ra_deg`.
    pub(super) fn offset(self, east_deg: f64, north_deg: f64) -> Self {
        let (sin_ra, cos_ra) = self.ra_deg.to_radians().sin_cos();
        let (sin_dec, cos_dec) = self.dec_deg.to_radians().sin_cos();
        let (east, north) = (east_deg.to_radians(), north_deg.to_radians());
        let x = cos_dec * cos_ra - east * sin_ra - north * sin_dec * cos_ra;
        let y = cos_dec * sin_ra + east * cos_ra - north * sin_dec * sin_ra;
        let z = sin_dec + north * cos_dec;
        Self::new(y.atan2(x).to_degrees(), z.atan2(x.hypot(y)).to_degrees())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_across_the_pole_and_the_wrap_stays_on_the_sphere() {
        let over_pole = Place::new(10.0, -89.9).offset(0.0, -0.2);
        assert!((over_pole.ra_deg - 190.0).abs() < 1e-9 && (over_pole.dec_deg + 89.9).abs() < 1e-6, "{over_pole:?}");
        let over_wrap = Place::new(359.95, 0.0).offset(0.1, 0.0);
        assert!((over_wrap.ra_deg - 0.05).abs() < 1e-6, "{over_wrap:?}");
        assert!((0.0..360.0).contains(&Place::new(-1e-20, 0.0).ra_deg));
    }
}
