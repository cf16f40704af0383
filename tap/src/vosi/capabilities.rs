//! `/tap/capabilities`: TAPRegExt 1.0 inside VOSI capabilities.

use super::{VODATASERVICE, XSI};
use crate::formats::OFFERS;
use crate::settings::TapSettings;
use crate::xml::XmlWriter;

/// As TAPRegExt writes it. ADQL 2.1 has it in lower case (`tapregext#features-`), which is the same: identifiers of the IVOA are
/// compared without regard to case.
const FEATURES: &str = "ivo://ivoa.net/std/TAPRegExt#features-";
const UPLOAD_METHOD: &str = "ivo://ivoa.net/std/TAPRegExt#upload-";

/// The standards whose whole interface is one address below `/tap`.
const PLAIN: [(&str, &str); 3] = [
    ("ivo://ivoa.net/std/VOSI#capabilities", "capabilities"),
    ("ivo://ivoa.net/std/VOSI#availability", "availability"),
    ("ivo://ivoa.net/std/VOSI#tables-1.1", "tables"),
];

/// The document; `base_url` is that of `/tap`.
pub(super) fn document(settings: &TapSettings, base_url: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut xml = XmlWriter::document(&mut out);
    xml.open(
        "vosi:capabilities",
        &[
            ("xmlns:vosi", "http://www.ivoa.net/xml/VOSICapabilities/v1.0"),
            ("xmlns:tr", "http://www.ivoa.net/xml/TAPRegExt/v1.0"),
            ("xmlns:vr", "http://www.ivoa.net/xml/VOResource/v1.0"),
            VODATASERVICE,
            XSI,
        ],
    );
    for (standard, path) in PLAIN {
        xml.open("capability", &[("standardID", standard)])
            .open("interface", &[("xsi:type", "vs:ParamHTTP"), ("role", "std")])
            .leaf("accessURL", &[("use", "full")], &format!("{base_url}/{path}"))
            .close()
            .close();
    }
    // For people first, so its interface is a page.
    xml.open("capability", &[("standardID", "ivo://ivoa.net/std/DALI#examples")])
        .open("interface", &[("xsi:type", "vr:WebBrowser")])
        .leaf("accessURL", &[("use", "full")], &format!("{base_url}/examples"))
        .close()
        .close();
    xml.open("capability", &[("standardID", "ivo://ivoa.net/std/TAP"), ("xsi:type", "tr:TableAccess")])
        .open("interface", &[("xsi:type", "vs:ParamHTTP"), ("role", "std"), ("version", "1.1")])
        .leaf("accessURL", &[("use", "base")], base_url)
        .close();
    put_language(&mut xml, settings);
    for offer in OFFERS {
        match offer.ivo_id {
            Some(ivo_id) => xml.open("outputFormat", &[("ivo-id", ivo_id)]),
            None => xml.open("outputFormat", &[]),
        };
        xml.leaf("mime", &[], offer.output.content_type);
        for alias in offer.aliases {
            xml.leaf("alias", &[], alias);
        }
        xml.close();
    }
    let uploads = &settings.uploads;
    for (method, is_taken) in [("inline", true), ("http", uploads.from_urls), ("https", uploads.from_urls)] {
        if is_taken && uploads.max_bytes > 0 {
            xml.empty("uploadMethod", &[("ivo-id", &format!("{UPLOAD_METHOD}{method}"))]);
        }
    }
    put_bound(&mut xml, "retentionPeriod", &[], Some(settings.default_retention_s), Some(settings.hard_retention_s));
    put_bound(&mut xml, "executionDuration", &[], Some(settings.default_run_time_s), Some(settings.hard_run_time_s));
    put_bound(&mut xml, "outputLimit", &[("unit", "row")], settings.default_max_rows, settings.hard_max_rows);
    let most = Some(uploads.max_bytes).filter(|most| *most > 0);
    put_bound(&mut xml, "uploadLimit", &[("unit", "byte")], None, most);
    xml.finish();
    out
}

fn put_language(xml: &mut XmlWriter<'_>, settings: &TapSettings) {
    xml.open("language", &[])
        .leaf("name", &[], "ADQL")
        .leaf("version", &[("ivo-id", "ivo://ivoa.net/std/ADQL#v2.0")], "2.0")
        .leaf("version", &[("ivo-id", "ivo://ivoa.net/std/ADQL#v2.1")], "2.1")
        .leaf("description", &[], "The Astronomical Data Query Language");
    if !settings.functions.is_empty() {
        xml.open("languageFeatures", &[("type", &format!("{FEATURES}udf"))]);
        for function in &settings.functions {
            xml.open("feature", &[])
                .leaf("form", &[], &function.signature)
                .optional("description", Some(&function.description))
                .close();
        }
        xml.close();
    }
    for set in settings.features.iter().filter(|set| !set.forms.is_empty()) {
        xml.open("languageFeatures", &[("type", &format!("{FEATURES}{}", set.kind))]);
        for form in &set.forms {
            xml.open("feature", &[]).leaf("form", &[], form).close();
        }
        xml.close();
    }
    xml.close();
}

/// A default and a hard bound; nothing at all where there is neither.
fn put_bound(
    xml: &mut XmlWriter<'_>,
    name: &'static str,
    attributes: &[(&str, &str)],
    default: Option<u64>,
    hard: Option<u64>,
) {
    if default.is_none() && hard.is_none() {
        return;
    }
    xml.open(name, &[]);
    for (kind, bound) in [("default", default), ("hard", hard)] {
        if let Some(bound) = bound {
            xml.leaf(kind, attributes, &bound.to_string());
        }
    }
    xml.close();
}
