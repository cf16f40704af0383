//! The bounds and names of a TAP service.

use std::path::PathBuf;

use qserv_core::catalog::Example;
use serde::{Deserialize, Serialize};

use crate::upload::UploadSettings;

/// Settings of the TAP service. All have defaults; every bound says why it is what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TapSettings {
    /// The name of the service on its landing page.
    pub title: String,
    /// One sentence for the landing page and the capabilities.
    pub description: String,
    /// The address of `/tap` as users see it, for example `https://data.example.org/tap`. Without one it is made from each
    /// request's `Host` header, which is wrong behind a proxy that ends TLS or changes the path.
    pub base_url: Option<String>,
    /// How to cite the catalogs, told in every document that has room for it: a DOI, a bibcode or a reference.
    pub citation: Option<String>,
    /// The folder for files that last as long as a request: uploads, and rows of which FITS files are being made. It belongs to one
    /// server alone: what an earlier run left there is deleted.
    pub scratch_dir: PathBuf,
    /// The folder for results of asynchronous queries, and for what they uploaded. All czars of one catalog must see the same.
    pub results_dir: PathBuf,
    /// The store of those results as an address, `file:///FOLDER`; it goes before `results_dir`.
    pub results_url: Option<String>,
    /// The request header in which a proxy in front of the service names the user. Without one no user is known. Whoever reaches
    /// the service past that proxy can claim to be anyone.
    pub owner_header: Option<String>,
    /// The request header in which a proxy in front of the service gives the client's address, for example `X-Forwarded-For`. Without
    /// one it is the address that the connection comes from.
    pub address_header: Option<String>,
    /// Synchronous queries that one user, or one address where users are not known, may have open at once; one more is refused. Many
    /// people may share an address.
    pub max_requests_per_client: usize,
    /// Synchronous queries that are worked on at once, answers that are being sent included. Fewer than queries run at once in all
    /// (`query.max_running`), so that jobs have their turn however many people wait for answers.
    pub max_running_requests: usize,
    /// Synchronous queries that wait for their turn; one more is refused. Each costs its text, and its uploads on disk.
    pub max_waiting_requests: usize,
    /// The web pages that may ask in their visitors' browsers, by their origins, for example `https://portal.example.org`; `*` for all,
    /// and none where only programs ask. Browsers send no passwords and cookies along, so a page sees what everyone can.
    pub allowed_origins: Vec<String>,
    /// Largest request body in bytes. Queries are text, so 2 MiB is generous; it bounds what one request can hold in memory.
    pub max_body_bytes: usize,
    /// MAXREC of requests that name none; none by default, because a result cut in silence is a wrong result to many a script.
    pub default_max_rows: Option<u64>,
    /// Largest MAXREC; a request for more gets this many rows and an OVERFLOW mark. None by default: results are streamed.
    pub hard_max_rows: Option<u64>,
    /// Longest run time of a synchronous query in seconds; none by default: it runs as long as its client waits, and ends with it.
    pub sync_run_time_s: Option<u64>,
    /// Run time in seconds that an asynchronous query gets if it asks for none. Nobody may be waiting for it, so it must end by
    /// itself; a day is enough to read the largest catalog.
    pub default_run_time_s: u64,
    /// Longest run time in seconds that an asynchronous query can ask for; a week, for the rare self-join of everything.
    pub hard_run_time_s: u64,
    /// Seconds from a job's creation to its destruction if it asks for no other time: a week, so that a weekend loses nothing.
    pub default_retention_s: u64,
    /// Longest such time that a job can ask for: about two months; results are copies and the disk is finite.
    pub hard_retention_s: u64,
    /// Jobs kept at once, finished ones included: enough for a busy week, and few enough to list.
    pub max_jobs: usize,
    /// Jobs that one user may keep, where users are known; none by default: `max_jobs` is the only bound.
    pub max_jobs_per_owner: Option<usize>,
    /// Bytes that the parameters of all jobs together may take in the catalog: 10,000 jobs with queries of 25 kB each.
    pub max_jobs_bytes: usize,
    /// Jobs that run at once; more wait in phase QUEUED. A few keep the cluster busy, and each takes memory there.
    pub max_running_jobs: usize,
    /// How often a job is started in all if the server stops while it runs. Queries only read, so to start one again does no harm;
    /// but one that stops the server must not do so for ever.
    pub max_job_attempts: u64,
    /// Bytes that all results of jobs together may take in their store; 64 GiB fits common disks.
    pub max_spool_bytes: u64,
    /// Bytes that rows may take in the scratch folder while a FITS file is made of them, all such results together: FITS has the number
    /// of rows before the first. 16 GiB are a hundred million rows of twenty columns.
    pub max_scratch_bytes: u64,
    /// Longest time in seconds that a request with `WAIT` is held open, `WAIT=-1` included; proxies rarely hold longer than an hour,
    /// and clients ask again.
    pub max_wait_s: u64,
    /// Seconds between two looks for jobs whose destruction time has come; requests never see such a job in any case, this only
    /// frees its disk space.
    pub sweep_interval_s: u64,
    /// Bounds of tables that requests bring along.
    pub uploads: UploadSettings,
    /// Example queries for the pages `/tap` and `/tap/examples`, behind those that databases bring along.
    pub examples: Vec<Example>,
    /// The functions beyond ADQL's own, for the capabilities.
    #[serde(skip)]
    pub functions: Vec<Function>,
    /// The optional features of ADQL that the service understands, for the capabilities.
    #[serde(skip)]
    pub features: Vec<FeatureSet>,
    /// Whether the service is asked over TLS, which its addresses must say.
    #[serde(skip)]
    pub is_secure: bool,
}

impl Default for TapSettings {
    fn default() -> Self {
        Self {
            title: "Catalog database".to_owned(),
            description: "Astronomical catalogs, to be asked in ADQL.".to_owned(),
            base_url: None,
            citation: None,
            scratch_dir: std::env::temp_dir().join("qserv-tap-scratch"),
            results_dir: std::env::temp_dir().join("qserv-tap"),
            results_url: None,
            owner_header: None,
            address_header: None,
            max_requests_per_client: 256,
            max_running_requests: 48,
            max_waiting_requests: 512,
            allowed_origins: vec!["*".to_owned()],
            max_body_bytes: 2 * 1024 * 1024,
            default_max_rows: None,
            hard_max_rows: None,
            sync_run_time_s: None,
            default_run_time_s: 86_400,
            hard_run_time_s: 7 * 86_400,
            default_retention_s: 7 * 86_400,
            hard_retention_s: 60 * 86_400,
            max_jobs: 10_000,
            max_jobs_per_owner: None,
            max_jobs_bytes: 256 * 1024 * 1024,
            max_running_jobs: 8,
            max_job_attempts: 3,
            max_spool_bytes: 64 * 1024 * 1024 * 1024,
            max_scratch_bytes: 16 * 1024 * 1024 * 1024,
            max_wait_s: 3_600,
            sweep_interval_s: 60,
            uploads: UploadSettings::default(),
            examples: vec![
                Example {
                    title: "All tables".to_owned(),
                    description: None,
                    query: "SELECT schema_name, table_name, description FROM tap_schema.tables".to_owned(),
                },
                Example {
                    title: "Columns that hold a flux".to_owned(),
                    description: None,
                    query: "SELECT table_name, column_name, unit, description\nFROM tap_schema.columns\nWHERE ucd LIKE 'phot.flux%'"
                        .to_owned(),
                },
            ],
            functions: Vec::new(),
            is_secure: false,
            features: default_features(),
        }
    }
}

/// A function that is not part of ADQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its signature as TAPRegExt writes it: `name(argument TYPE, ...) -> TYPE`.
    pub signature: String,
    /// What it gives.
    pub description: String,
}

/// Optional features of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureSet {
    /// The fragment behind `ivo://ivoa.net/std/TAPRegExt#features-`, for example `adqlgeo`.
    pub kind: &'static str,
    /// The features of that kind, for example `POINT`.
    pub forms: Vec<&'static str>,
}

/// What every version of the service understands.
fn default_features() -> Vec<FeatureSet> {
    vec![
        FeatureSet {
            kind: "adqlgeo",
            forms: vec!["POINT", "CIRCLE", "BOX", "POLYGON", "CONTAINS", "DISTANCE", "COORD1", "COORD2"],
        },
        FeatureSet { kind: "adql-sets", forms: vec!["UNION", "EXCEPT", "INTERSECT"] },
    ]
}
