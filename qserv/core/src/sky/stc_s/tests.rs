//! Texts that are shapes, and texts that are not.

use proptest::prelude::*;

use super::dali_numbers;
use crate::sky::{Frame, Position, Region, Shape, separation_deg};

#[test]
fn the_usual_forms_are_taken() {
    for (text, numbers) in [
        ("POLYGON ICRS 1 2 3 4 5 9", &[1.0, 2.0, 3.0, 4.0, 5.0, 9.0][..]),
        ("Polygon ICRS TOPOCENTER SPHERICAL2 1 2 3 4 5 9", &[1.0, 2.0, 3.0, 4.0, 5.0, 9.0]),
        ("polygon 1 2 3 4 5 9", &[1.0, 2.0, 3.0, 4.0, 5.0, 9.0]),
        ("CIRCLE ICRS 1 2 3", &[1.0, 2.0, 3.0]),
        ("  Circle\ticrs  GEOCENTER 1 +2 3e0 unit deg ", &[1.0, 2.0, 3.0]),
        ("Circle UNKNOWNFRAME UNKNOWNREFPOS 1 2 3", &[1.0, 2.0, 3.0]),
        ("Position ICRS 10.5 -20", &[10.5, -20.0]),
        ("POINT ICRS 10.5 -20", &[10.5, -20.0]),
        ("AllSky ICRS", &[0.0, 0.0, 180.0]),
    ] {
        assert_eq!(Shape::from_text(text).unwrap().to_dali().as_deref(), Some(numbers), "{text}");
    }
    let Shape::Region(Region::Polygon(polygon)) = Shape::from_text("Box ICRS 10 0 4 2").unwrap() else { panic!() };
    assert!(polygon.contains(12.0, 0.0) && polygon.contains(10.0, -1.0) && !polygon.contains(12.1, 0.0));
    assert!(
        Shape::from_text("Ellipse ICRS 10 20 2 1 90").unwrap().contains(&Shape::point(11.9, 20.0).unwrap()).unwrap()
    );
    for text in ["3/10-12 5/0", "MOC 3/10-12 5/0", "moc 3/10,11,12 5/0"] {
        let Shape::Region(Region::Moc(map)) = Shape::from_text(text).unwrap() else { panic!("{text}") };
        assert_eq!(map.to_string(), "3/10-12 5/0");
    }
}

#[test]
fn other_frames_are_turned_to_icrs() {
    let Shape::Point(found) = Shape::from_text("Position GALACTIC 0 0").unwrap() else { panic!() };
    // The origin of Galactic coordinates as astropy has it.
    assert!(separation_deg(found.lon_deg(), found.lat_deg(), 266.404_988_286_545, -28.936_177_761_791) < 1e-10);
    for frame in ["J2000", "fk5", "FK4", "B1950", "ecliptic", "GALACTIC_II"] {
        let found = Shape::from_text(&format!("Circle {frame} BARYCENTER 20 30 2")).unwrap();
        let moved = Frame::parse(frame).unwrap().transform(Frame::Icrs, Position::new(20.0, 30.0).unwrap());
        assert_eq!(found.to_dali().unwrap(), [moved.lon_deg(), moved.lat_deg(), 2.0], "{frame}");
    }
    // The major axis points along the Galactic equator there too.
    let ellipse = Shape::from_text("Ellipse GALACTIC 120 0 2 0.1 90").unwrap();
    for (lon, inside) in [(121.9, true), (118.1, true), (122.1, false)] {
        let end = Frame::Galactic.transform(Frame::Icrs, Position::new(lon, 0.0).unwrap());
        assert_eq!(ellipse.contains(&Shape::Point(end)).unwrap(), inside, "{lon}");
    }
}

#[test]
fn what_is_no_shape_is_refused_with_its_text() {
    for (text, word) in [
        ("", "empty"),
        ("Union ICRS (Circle 1 2 3 Circle 4 5 6)", "Union"),
        ("Intersection(Circle 1 2 3)", "Intersection"),
        ("Not ICRS Circle 1 2 3", "Not"),
        ("Blob ICRS 1 2", "Blob"),
        ("Circle ICRS 1 2", "3 numbers"),
        ("Circle ICRS 1 2 -3", "negative"),
        ("Circle ICRS 1 92 3", "latitude"),
        ("Circle ICRS CARTESIAN2 1 2 3", "CARTESIAN2"),
        ("Circle FK7 1 2 3", "FK7"),
        ("Circle ICRS 1 2 nan", "nan"),
        ("Circle ICRS 1 2 inf", "inf"),
        ("Polygon ICRS 1 2 3 4", "6 numbers"),
        ("Polygon ICRS 1 2 3 4 5 6 7", "even"),
        ("Polygon ICRS 0 0 0 1 0 2", "back along"),
        ("10 20", "CIRCLE ICRS"),
        ("3/99999", "99999"),
        ("31/1", "29"),
        ("AllSky 1", "no numbers"),
    ] {
        let error = Shape::from_text(text).unwrap_err();
        assert!(error.message().contains(word), "{text}: {}", error.message());
        assert!(error.context().iter().any(|(key, _)| key == "text"), "{text}");
    }
    let long = format!("Polygon {}", "1 2 ".repeat(5_000));
    assert!(Shape::from_text(&long).unwrap_err().message().contains("at most"));
    assert!(Shape::from_text(&"1/".repeat(600_000)).unwrap_err().message().contains("longer"));
}

#[test]
fn numbers_of_dali_are_read() {
    assert_eq!(dali_numbers(" 10 -20.5\n1e-3 ").unwrap(), [10.0, -20.5, 1e-3]);
    assert_eq!(dali_numbers("").unwrap(), [0.0; 0]);
    for text in ["1 2 three", "1,2", "NaN 1", "0x10 1", "inf 1"] {
        assert!(dali_numbers(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_shape_or_an_error(
        words in prop::collection::vec(
            prop_oneof!["[A-Za-z0-9/. ()-]{0,9}", Just("ICRS".to_owned()), Just("Circle".to_owned()),
                Just("Polygon".to_owned()), Just("FK4".to_owned()), "[0-9]{1,3}", "-?[0-9]{1,2}\\.[0-9]"], 0..14),
    ) {
        if let Err(error) = Shape::from_text(&words.join(" ")) {
            prop_assert_ne!(error.kind(), crate::ErrorKind::Internal);
        }
    }
}
