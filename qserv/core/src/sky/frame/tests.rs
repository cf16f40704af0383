//! Frames against astropy.

use proptest::prelude::*;

use super::super::tests::positions;
use super::super::{Position, separation_deg};
use super::Frame;

/// A position in a frame, in degrees.
type LonLat = (f64, f64);

/// Positions in ICRS and in FK5, FK4, Galactic and ecliptic coordinates, from astropy 8.0: `SkyCoord(lon, lat)` transformed to
/// `FK5()`, `FK4()`, `Galactic()` and `BarycentricMeanEcliptic(equinox="J2000")`.
const ASTROPY: &[(LonLat, [LonLat; 4])] = &[
    (
        (10.0, 20.0),
        [
            (10.000008502255, 20.000001529486),
            (9.342439987720, 19.725576960975),
            (119.269367737602, -42.790392864604),
            (17.160129300277, 14.411817173970),
        ],
    ),
    (
        (0.0, 90.0),
        [
            (114.573975224960, 89.999993921679),
            (359.676888861565, 89.721689634689),
            (122.931925255417, 27.128252414968),
            (89.999988395833, 66.560718661389),
        ],
    ),
    (
        (0.0, -90.0),
        [
            (294.573975285111, -89.999993921679),
            (179.684629875515, -89.721503643575),
            (302.931925255417, -27.128252414968),
            (269.999988395833, -66.560718661389),
        ],
    ),
    (
        (266.405, -28.936),
        [
            (266.405007947466, -28.935994641600),
            (265.610752373306, -28.916607324887),
            (0.000157067711, 0.000083869391),
            (266.839525604927, -5.536150101860),
        ],
    ),
    (
        (192.859, 27.128),
        [
            (192.859003311797, 27.127998765839),
            (192.249518470286, 27.399697377185),
            (243.619640047622, 89.999505417976),
            (180.022912841347, 29.811029793751),
        ],
    ),
    (
        (359.999, 0.001),
        [
            (359.999006361208, 0.001002527874),
            (359.358314335399, -0.277407333353),
            (96.336239908515, -60.187236316434),
            (359.999482179729, 0.001309410924),
        ],
    ),
    (
        (272.211696, 19.878013),
        [
            (272.211701524977, 19.878018621212),
            (271.671510275323, 19.868572738627),
            (46.519393320741, 18.040502544750),
            (272.858190004275, 43.295353138520),
        ],
    ),
    (
        (164.606088, 54.897976),
        [
            (164.606087733301, 54.897972095541),
            (163.857318211140, 55.165827500304),
            (151.633615579118, 55.472678169293),
            (139.982908999542, 43.622234936322),
        ],
    ),
    (
        (34.234902, -8.352858),
        [
            (34.234907481309, -8.352859020047),
            (33.617410097404, -8.583889387045),
            (174.046431938837, -62.401621940787),
            (28.973012571661, -20.774578891327),
        ],
    ),
    (
        (215.871649, 3.056924),
        [
            (215.871655042794, 3.056925190782),
            (215.239913891615, 3.283409293873),
            (349.340070291771, 57.385450392357),
            (212.506903291857, 16.360613936251),
        ],
    ),
    (
        (109.910098, -5.210382),
        [
            (109.910104316043, -5.210388058195),
            (109.293230760614, -5.116995280912),
            (220.798842546200, 3.863630723896),
            (112.396473783627, -27.114812380661),
        ],
    ),
    (
        (97.272554, 24.874177),
        [
            (97.272561199220, 24.874171196702),
            (96.503750931999, 24.907556930512),
            (188.267086789808, 6.499318813689),
            (96.597344643803, 1.601294893458),
        ],
    ),
];

#[test]
fn positions_are_those_of_astropy() {
    for ((lon, lat), expected) in ASTROPY {
        let position = Position::new(*lon, *lat).unwrap();
        for (frame, (lon, lat)) in [Frame::Fk5, Frame::Fk4, Frame::Galactic, Frame::Ecliptic].into_iter().zip(expected)
        {
            let expected = Position::new(*lon, *lat).unwrap();
            let found = Frame::Icrs.transform(frame, position);
            assert!(found.separation(expected).degrees() < 1e-11, "{frame:?} {position:?}: {found:?}");
            let back = frame.transform(Frame::Icrs, expected);
            assert!(back.separation(position).degrees() < 1e-9, "{frame:?} {position:?}: {back:?}");
        }
    }
}

#[test]
fn rotations_leave_the_aberration_of_fk4_out() {
    // astropy 8.0: FK4NoETerms(equinox="B1950") to ICRS() to Galactic().
    let position = Position::new(189.703_030_55, 22.962_400_06).unwrap();
    let expected = Position::new(275.000_254_051_863, 84.999_961_535_635).unwrap();
    let found = Frame::Fk4.rotate(Frame::Galactic, position);
    assert!(found.separation(expected).degrees() < 1e-11, "{found:?}");
    let shift = Frame::Fk4.transform(Frame::Galactic, position).separation(expected).degrees();
    assert!((1e-5..1e-4).contains(&shift), "{shift}");
}

proptest! {
    #[test]
    fn rotations_keep_angles((lon, lat) in positions(), (lon2, lat2) in positions()) {
        let (one, two) = (Position::new(lon, lat).unwrap(), Position::new(lon2, lat2).unwrap());
        for from in [Frame::Icrs, Frame::Fk5, Frame::Fk4, Frame::Galactic, Frame::Ecliptic] {
            for to in [Frame::Icrs, Frame::Fk4, Frame::Galactic] {
                let turned = from.rotate(to, one).separation(from.rotate(to, two)).degrees();
                prop_assert!((turned - one.separation(two).degrees()).abs() < 1e-12, "{:?} {:?}", from, to);
                prop_assert!(to.rotate(from, from.rotate(to, one)).separation(one).degrees() < 1e-12);
            }
        }
    }

    #[test]
    fn there_and_back_again((lon, lat) in positions()) {
        let frames = [Frame::Icrs, Frame::Fk5, Frame::Fk4, Frame::Galactic, Frame::Ecliptic];
        let position = Position::new(lon, lat).unwrap();
        for from in frames {
            for to in frames {
                let back = to.transform(from, from.transform(to, position));
                prop_assert!(separation_deg(lon, lat, back.lon_deg(), back.lat_deg()) < 1e-9, "{:?} {:?}", from, to);
            }
        }
    }
}

#[test]
fn names_are_taken_in_any_case_and_others_refused() {
    for (name, frame) in
        [("icrs", Frame::Icrs), (" J2000 ", Frame::Fk5), ("b1950", Frame::Fk4), ("Galactic", Frame::Galactic)]
    {
        assert_eq!(Frame::parse(name).unwrap(), frame);
    }
    for (_, frame) in Frame::NAMES {
        assert_eq!(Frame::parse(frame.name()).unwrap(), *frame);
    }
    for name in ["", "FK6", "ICRS GEOCENTER"] {
        assert!(Frame::parse(name).unwrap_err().message().contains("GALACTIC"), "{name}");
    }
}
