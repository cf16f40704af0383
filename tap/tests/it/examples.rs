//! `/tap/examples` and the examples of `/tap`.

use axum::http::{StatusCode, header};
use qserv_core::ErrorKind;
use qserv_core::catalog::{Example, tap_schema};
use quick_xml::XmlVersion;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use crate::fake::{FakeService, Server, serve};
use crate::vosi::{check_well_formed, snapshot_of};

fn server() -> Server {
    let mut database = tap_schema::database();
    database.examples = vec![
        Example {
            title: "Keys & <joins>".to_owned(),
            description: Some("What joins \"with\" what".to_owned()),
            query: "SELECT * FROM tap_schema.keys AS k\nWHERE k.key_id < 'x' AND 1=1 & 2".to_owned(),
        },
        Example { title: "No table".to_owned(), description: None, query: "SELECT 1".to_owned() },
    ];
    serve(FakeService::new([]).with_snapshot(Ok(snapshot_of(vec![database]))))
}

/// The texts of the elements with a property, with the property, in order.
fn properties(document: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(document);
    let mut found: Vec<(String, String)> = Vec::new();
    let mut is_inside = false;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) => {
                if let Some(property) = element.try_get_attribute("property").unwrap() {
                    let property = property.normalized_value(XmlVersion::Implicit1_0).unwrap().into_owned();
                    found.push((property, String::new()));
                    is_inside = true;
                }
            }
            Event::Text(text) if is_inside => found.last_mut().unwrap().1.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) if is_inside => {
                let name: &str = reference.as_ref();
                let character = match name {
                    "lt" => '<',
                    "gt" => '>',
                    "amp" => '&',
                    other => panic!("{other}"),
                };
                found.last_mut().unwrap().1.push(character);
            }
            Event::End(_) => is_inside = false,
            Event::Eof => return found,
            _ => {}
        }
    }
}

#[tokio::test]
async fn programs_read_the_page() {
    let reply = server().get("/tap/examples").await;
    assert_eq!((reply.status, reply.header(header::CONTENT_TYPE)), (StatusCode::OK, "application/xhtml+xml"));
    check_well_formed(&reply.text);
    assert_eq!(reply.text.matches("vocab=\"http://www.ivoa.net/rdf/examples#\"").count(), 1);
    assert_eq!(reply.text.matches("typeof=\"example\"").count(), 4, "two of the database, two of the settings");
    assert!(reply.text.contains("id=\"example-keys-joins\" resource=\"#example-keys-joins\""), "{}", reply.text);
    let found = properties(&reply.text);
    let of = |property: &str| -> Vec<&str> {
        found.iter().filter(|(name, _)| name == property).map(|(_, text)| text.as_str()).collect()
    };
    assert_eq!(of("name")[..3], ["Keys & <joins>", "No table", "All tables"]);
    assert_eq!(of("query")[0], "SELECT * FROM tap_schema.keys AS k\nWHERE k.key_id < 'x' AND 1=1 & 2");
    assert_eq!(of("table"), ["tap_schema.keys", "tap_schema.tables", "tap_schema.columns"]);
    assert_eq!(of("capability"), ["ivo://ivoa.net/std/TAP"; 4]);
}

#[tokio::test]
async fn people_see_them_first() {
    let page = server().get("/tap").await;
    let at = |text: &str| page.text.find(text).unwrap_or_else(|| panic!("no {text} in {}", page.text));
    assert!(at("Keys &amp; &lt;joins&gt;") < at("All tables"));
    assert!(page.text.contains("http://sky.example:8080/tap/examples"));
    let without = serve(FakeService::new([]).with_snapshot(Err(ErrorKind::Unavailable)));
    assert!(without.get("/tap").await.text.contains("All tables"), "those of the settings are always there");
    assert_eq!(without.get("/tap/examples").await.status, StatusCode::SERVICE_UNAVAILABLE);
}
