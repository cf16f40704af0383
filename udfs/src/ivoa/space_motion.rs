//! Stars in uniform motion through space: the rigorous propagation of Lindegren (The Hipparcos and Tycho Catalogues, ESA
//! SP-1200, volume 1, section 1.5.5), without light-travel time and without relativity, as the note asks.

/// One astronomical unit a Julian year in km/s: what a parallax of 1 mas and a motion of 1 mas/yr across the sky are in
/// velocity. The value of ESA SP-1200, table 1.2.2.
const AU_PER_YEAR_KM_S: f64 = 4.740_470_446;
const MAS_PER_RADIAN: f64 = 180.0 / std::f64::consts::PI * 3.6e6;

/// A star at an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Star {
    pub(super) lon_deg: f64,
    pub(super) lat_deg: f64,
    /// 0 for an infinite distance.
    pub(super) parallax_mas: f64,
    /// Along the parallel: the cosine of the latitude is in it.
    pub(super) lon_motion_mas_yr: f64,
    pub(super) lat_motion_mas_yr: f64,
    pub(super) radial_velocity_km_s: f64,
}

type Vector = [f64; 3];

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// `a * scale_a + b * scale_b`.
fn sum(a: Vector, scale_a: f64, b: Vector, scale_b: f64) -> Vector {
    [0, 1, 2].map(|axis: usize| a[axis] * scale_a + b[axis] * scale_b)
}

/// The directions to the east, to the north and to the star itself (SP-1200, equation 1.2.15).
fn triad(lon: f64, lat: f64) -> [Vector; 3] {
    let ((sin_lon, cos_lon), (sin_lat, cos_lat)) = (lon.sin_cos(), lat.sin_cos());
    [
        [-sin_lon, cos_lon, 0.0],
        [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
        [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
    ]
}

impl Star {
    /// Whether every number of it is finite.
    pub(super) fn is_finite(&self) -> bool {
        let numbers = [
            self.lon_deg,
            self.lat_deg,
            self.parallax_mas,
            self.lon_motion_mas_yr,
            self.lat_motion_mas_yr,
            self.radial_velocity_km_s,
        ];
        numbers.iter().all(|number| number.is_finite())
    }

    /// The star so many Julian years later. Its longitude may be any number of turns off.
    pub(super) fn after(self, years: f64) -> Self {
        let [east, north, direction] = triad(self.lon_deg.to_radians(), self.lat_deg.to_radians());
        let motion = sum(east, self.lon_motion_mas_yr / MAS_PER_RADIAN, north, self.lat_motion_mas_yr / MAS_PER_RADIAN);
        let motion_squared = dot(motion, motion);
        // The change of distance a year in units of the distance (1.5.24).
        let recession = self.radial_velocity_km_s * self.parallax_mas / AU_PER_YEAR_KM_S / MAS_PER_RADIAN;
        if motion_squared == 0.0 && recession == 0.0 {
            return self;
        }
        let along = 1.0 + recession * years;
        // Both speeds squared (1.5.25).
        let speeds = motion_squared + recession * recession;
        // The distance now in units of that then (1.5.25).
        let nearing = 1.0 / (1.0 + 2.0 * recession * years + speeds * years * years).sqrt();
        let parallax_mas = self.parallax_mas * nearing;
        let recession_then = (recession + speeds * years) * nearing * nearing;
        let radial_velocity_km_s = if parallax_mas == 0.0 {
            self.radial_velocity_km_s
        } else {
            recession_then * MAS_PER_RADIAN * AU_PER_YEAR_KM_S / parallax_mas
        };
        if motion_squared == 0.0 {
            // Straight along the line of sight; where it passes the Sun the direction turns round, which `along` tells.
            if along > 0.0 {
                return Self { parallax_mas, radial_velocity_km_s, ..self };
            }
        }
        let [x, y, z] = sum(direction, along * nearing, motion, years * nearing);
        let (lon, lat) = (y.atan2(x), z.atan2(x.hypot(y)));
        let motion = sum(motion, along * nearing.powi(3), direction, -motion_squared * years * nearing.powi(3));
        let [east, north, _] = triad(lon, lat);
        Self {
            lon_deg: lon.to_degrees(),
            lat_deg: lat.to_degrees(),
            parallax_mas,
            lon_motion_mas_yr: dot(motion, east) * MAS_PER_RADIAN,
            lat_motion_mas_yr: dot(motion, north) * MAS_PER_RADIAN,
            radial_velocity_km_s,
        }
    }
}
