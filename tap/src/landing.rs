//! `/tap` for people with a browser: what this is, a form, examples.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Html;

use crate::xml::{self, Place};
use crate::{Tap, error, examples};

/// The look of pages.
pub(crate) const STYLE: &str = "body{font-family:sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;line-height:1.5}\
textarea{width:100%;font-family:monospace;box-sizing:border-box}pre{background:#f3f3f3;padding:.7rem;overflow:auto}";

/// Examples that the page shows; all are at `/tap/examples`.
const MAX_EXAMPLES: usize = 12;

/// The address that asks a query and shows its first rows in a browser.
pub(crate) fn ask_link(base_url: &str, query: &str) -> String {
    let parameters: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("LANG", "ADQL")
        .append_pair("RESPONSEFORMAT", "votable/td")
        .append_pair("MAXREC", "100")
        .append_pair("QUERY", query)
        .finish();
    format!("{base_url}/sync?{parameters}")
}

/// The page.
pub(crate) async fn page(State(tap): State<Arc<Tap>>, request: Request) -> Html<String> {
    let base_url = tap.base_url(&request);
    let settings = &tap.settings;
    let (title, description, base) = (escaped(&settings.title), escaped(&settings.description), escaped(&base_url));
    // A page without the databases' examples is better than none.
    let snapshot = tap.service.snapshot().await.inspect_err(error::log).ok();
    let all = || examples::all(snapshot.as_deref(), settings);
    let first = all().next().map(|example| escaped(&example.query)).unwrap_or_default();
    let mut examples = String::new();
    for example in all().take(MAX_EXAMPLES) {
        // Writing to a String cannot fail.
        let _ = write!(
            examples,
            "<h3>{}</h3>\n<pre>{}</pre>\n<p><a href=\"{}\">ask it</a></p>\n",
            escaped(&example.title),
            escaped(&example.query),
            escaped(&ask_link(&base_url, &example.query)),
        );
    }
    Html(format!(
        "<!DOCTYPE html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>
<body>
<h1>{title}</h1>
<p>{description}</p>
<p>This is a TAP service of the Virtual Observatory. Give this address to TOPCAT, STILTS or pyvo:</p>
<pre>{base}</pre>
<form action=\"{base}/sync\" method=\"post\">
<input type=\"hidden\" name=\"LANG\" value=\"ADQL\">
<p><label>Query (ADQL)<br><textarea name=\"QUERY\" rows=\"6\" required>{first}</textarea></label></p>
<p><label>Rows at most <input name=\"MAXREC\" value=\"100\" size=\"8\"></label>
<label>Format <select name=\"RESPONSEFORMAT\">
<option value=\"text/xml\">VOTable, readable</option><option value=\"votable\">VOTable, binary</option>
<option value=\"csv\">CSV</option><option value=\"tsv\">TSV</option><option value=\"fits\">FITS</option>
<option value=\"json\">JSON</option><option value=\"parquet\">Parquet</option></select></label>
<button>Ask</button></p>
</form>
<h2>Examples</h2>
{examples}<h2>From Python</h2>
<pre>import pyvo
service = pyvo.dal.TAPService(\"{base}\")
print(service.search(\"\"\"{first}\"\"\").to_table())</pre>
<p><a href=\"{base}/examples\">all examples</a> · <a href=\"{base}/tables\">tables</a> · <a href=\"{base}/capabilities\">capabilities</a> ·
<a href=\"{base}/availability\">availability</a> · <a href=\"{base}/async\">jobs</a></p>
</body>
</html>
"
    ))
}

fn escaped(text: &str) -> String {
    xml::escaped(text, Place::Attribute)
}
