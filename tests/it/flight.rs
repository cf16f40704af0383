//! Flight SQL: the rows of every query are those that it has elsewhere, wherever they are handed out.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{
    CommandGetDbSchemas, CommandGetPrimaryKeys, CommandGetTables, CommandStatementIngest, CommandStatementQuery,
    ProstMessageExt, SqlInfo, TableDefinitionOptions, TableExistsOption, TableNotExistOption,
};
use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightDescriptor, FlightEndpoint,
    FlightInfo, Ticket,
};
use futures::{StreamExt, TryStreamExt};
use prost::Message;
use qserv_core::partition::PixelizationKind;
use qserv_core::query::field_metadata;
use qserv_tests::cells;
use qserv_tests::engines::{Engine, MAX_STREAMS, Processes};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use crate::samples;

type Client = FlightSqlServiceClient<Channel>;

/// Queries whose rows need no merge.
const IN_PARTS: &[&str] = &[
    "SELECT objectId, coord_ra, coord_dec, r_psfFlux FROM demo.Object",
    "SELECT sourceId, band, psfFlux FROM demo.Source WHERE band = 'r' AND snr > 20",
    "SELECT o.objectId, s.sourceId, s.psfFlux FROM demo.Object AS o JOIN demo.Source AS s ON s.objectId = o.objectId",
    "SELECT objectId, COUNT(*) AS n, AVG(psfFlux) AS f FROM demo.Source GROUP BY objectId",
    "SELECT objectId FROM demo.Object WHERE CONTAINS(POINT(coord_ra, coord_dec), CIRCLE(0.0, 1.0, 1.0)) = 1",
    "SELECT f.forcedSourceId, v.expMidptMJD FROM demo.ForcedSource AS f JOIN demo.Visit AS v ON v.visit = f.visit",
    "SELECT a.objectId, b.objectId AS other FROM demo.Object AS a JOIN demo.Object AS b \
     ON DISTANCE(a.coord_ra, a.coord_dec, b.coord_ra, b.coord_dec) < 0.0166 AND a.objectId < b.objectId",
    "SELECT o.objectId, s.sourceId FROM demo.Object AS o LEFT JOIN demo.Source AS s ON s.objectId = o.objectId AND s.snr > 50",
    "SELECT o.objectId FROM demo.Object AS o WHERE NOT EXISTS \
     (SELECT 1 FROM demo.Source AS s WHERE s.objectId = o.objectId AND s.snr > 50)",
    "SELECT DISTINCT objectId FROM demo.Source",
    "SELECT objectId, r_psfFlux FROM demo.Object WHERE r_psfFlux > (SELECT AVG(r_psfFlux) FROM demo.Object)",
];

/// Queries that the czar merges.
const MERGED: &[&str] = &[
    "SELECT COUNT(*) AS n FROM demo.Object",
    "SELECT TOP 5 objectId FROM demo.Object ORDER BY objectId",
    "SELECT band, COUNT(*) AS n FROM demo.Source GROUP BY band",
    "SELECT visit FROM demo.Visit",
    "SELECT objectId FROM demo.Object WHERE r_psfFlux > (SELECT AVG(r_psfFlux) FROM demo.Object) ORDER BY objectId",
    "SELECT o.objectId, v.visit FROM demo.Object AS o FULL OUTER JOIN demo.Visit AS v ON v.visit = o.objectId",
    "SELECT COUNT(*) OVER () AS n, objectId FROM demo.Object",
];

async fn connect(address: &str) -> Client {
    let address = address.replace("grpc+tcp://", "http://");
    FlightSqlServiceClient::new(Endpoint::from_shared(address).unwrap().connect().await.unwrap())
}

/// The rows of one endpoint, from the first of its places that answers.
async fn read(client: &mut Client, endpoint: &FlightEndpoint) -> Vec<RecordBatch> {
    let ticket = endpoint.ticket.clone().unwrap();
    if endpoint.location.is_empty() {
        return client.do_get(ticket).await.unwrap().try_collect().await.unwrap();
    }
    let mut refused = Vec::new();
    for location in &endpoint.location {
        let address = location.uri.replace("grpc+tcp://", "http://");
        let answer = async {
            let channel = Endpoint::from_shared(address).unwrap().connect().await.map_err(|error| error.to_string())?;
            let rows = FlightSqlServiceClient::new(channel).do_get(ticket.clone()).await;
            rows.map_err(|error| error.to_string())?.try_collect::<Vec<_>>().await.map_err(|error| error.to_string())
        };
        match answer.await {
            Ok(rows) => return rows,
            Err(error) => refused.push(error),
        }
    }
    panic!("no place has the rows: {refused:?}");
}

async fn all(client: &mut Client, info: &FlightInfo) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for endpoint in &info.endpoint {
        rows.extend(cells::rows(&read(client, endpoint).await).unwrap());
    }
    rows
}

fn sorted(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    rows.sort();
    rows
}

/// The same rows, in whatever order.
fn assert_same(found: Vec<Vec<String>>, right: Vec<Vec<String>>, query: &str) {
    let (found, right) = (sorted(found), sorted(right));
    let differs = found.iter().zip(&right).find(|(found, right)| found != right);
    assert!(
        found.len() == right.len() && differs.is_none(),
        "{query}: {} rows, not {}: {differs:?}",
        found.len(),
        right.len()
    );
}

/// Every query gives the rows that `engine` gives.
async fn agree(client: &mut Client, engine: &impl Engine) {
    for query in IN_PARTS.iter().chain(MERGED) {
        let info = client.execute((*query).to_owned(), None).await.unwrap();
        let right = engine.ask(query).await.unwrap();
        assert!(!right.is_empty(), "{query}");
        assert_same(all(client, &info).await, right, query);
        let is_in_parts = IN_PARTS.contains(query);
        let least = if query.contains("CIRCLE") { 1 } else { 3 };
        assert!(if is_in_parts { info.endpoint.len() >= least } else { info.endpoint.len() == 1 }, "{query}: {info}");
        // Read again: the same rows in the same order.
        if !query.contains("GROUP BY") && !query.contains("JOIN") && is_in_parts {
            let (first, again) = (all(client, &info).await, all(client, &info).await);
            assert_eq!(first, again, "{query}");
        }
    }
}

/// A served embedded sky; the server ends with the second.
async fn embedded() -> (samples::EmbeddedSky, SocketAddr, JoinSet<()>) {
    let sky = samples::embedded(3, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = sky.server.flight().into_service();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
    });
    (sky, address, serving)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_in_bulk_are_those_of_the_embedded_cluster() {
    let (sky, address, _serving) = embedded().await;
    let mut client = connect(&format!("http://{address}")).await;
    agree(&mut client, &sky.engine).await;
    let info = client.execute(IN_PARTS[0].to_owned(), None).await.unwrap();
    assert_eq!(info.endpoint.len(), 3, "one for each worker");

    // Columns are described.
    let schema = info.clone().try_decode_schema().unwrap();
    let told = |key| schema.field_with_name("r_psfFlux").unwrap().metadata().get(key).cloned().unwrap_or_default();
    assert_eq!(told(field_metadata::UNIT), "nJy");
    assert!(told(field_metadata::UCD).starts_with("phot.flux"), "{}", told(field_metadata::UCD));

    // Compressed rows are the same rows.
    let plain = all(&mut client, &info).await;
    for word in ["zstd", "lz4", "none"] {
        client.set_header("qserv-compression", word);
        assert_eq!(all(&mut client, &info).await, plain, "{word}");
    }
    client.set_header("qserv-compression", "zip");
    let refused = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap_err();
    assert!(refused.to_string().contains("zstd, lz4 or none"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_metadata_and_errors_are_told() {
    let (sky, address, _serving) = embedded().await;
    let mut client = connect(&format!("http://{address}")).await;

    let error = client.execute("SELECT nosuch FROM demo.Object".to_owned(), None).await.unwrap_err().to_string();
    assert!(error.contains("nosuch") && error.contains("InvalidArgument") || error.contains("invalid"), "{error}");

    let schemas = CommandGetDbSchemas { catalog: None, db_schema_filter_pattern: None };
    let info = client.get_db_schemas(schemas).await.unwrap();
    let names: Vec<String> = all(&mut client, &info).await.into_iter().map(|row| row[1].clone()).collect();
    assert!(names.contains(&"demo".to_owned()) && names.iter().any(|name| name.eq_ignore_ascii_case("tap_schema")));
    let tables = CommandGetTables {
        db_schema_filter_pattern: Some("demo".to_owned()),
        include_schema: true,
        ..CommandGetTables::default()
    };
    let info = client.get_tables(tables).await.unwrap();
    let rows = read(&mut client, &info.endpoint[0]).await;
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 5);
    let keys = CommandGetPrimaryKeys { table: "Object".to_owned(), ..CommandGetPrimaryKeys::default() };
    let info = client.get_primary_keys(keys).await.unwrap();
    assert!(all(&mut client, &info).await.iter().any(|row| row.contains(&"objectId".to_owned())));
    let info = client.get_sql_info(vec![SqlInfo::FlightSqlServerName]).await.unwrap();
    assert_eq!(read(&mut client, &info.endpoint[0]).await[0].num_rows(), 1);
    for info in [client.get_catalogs().await.unwrap(), client.get_table_types().await.unwrap()] {
        assert_eq!(all(&mut client, &info).await.len(), 1);
    }

    let mut prepared = client.prepare(MERGED[0].to_owned(), None).await.unwrap();
    assert_eq!(prepared.dataset_schema().unwrap().field(0).name(), "n");
    let info = prepared.execute().await.unwrap();
    assert_eq!(all(&mut client, &info).await, sky.engine.ask(MERGED[0]).await.unwrap());
    prepared.close().await.unwrap();
    let keys = sky.engine.ask("SELECT TOP 2 objectId FROM demo.Object ORDER BY objectId").await.unwrap();
    let open = "SELECT objectId FROM demo.Object WHERE objectId = ? AND ? = 'it''s' AND coord_dec < ?";
    for language in ["adql", "sql"] {
        client.set_header("qserv-language", language);
        let mut prepared = client.prepare(open.to_owned(), None).await.unwrap();
        let types: Vec<_> =
            prepared.parameter_schema().unwrap().fields().iter().map(|f| f.data_type().clone()).collect();
        assert_eq!(types, [DataType::Int64, DataType::Utf8, DataType::Float64]);
        let missing = prepared.execute().await.unwrap_err().to_string();
        assert!(missing.contains("no values were given"), "{missing}");
        for (key, text, found) in [(&keys[0], "it's", true), (&keys[1], "it's", true), (&keys[0], "its", false)] {
            let values: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from(vec![key[0].parse::<i64>().unwrap()])),
                Arc::new(StringArray::from(vec![text])),
                Arc::new(Float32Array::from(vec![91.0])),
            ];
            let fields = ["a", "b", "c"].into_iter().zip(values);
            prepared.set_parameters(RecordBatch::try_from_iter(fields).unwrap()).unwrap();
            let info = prepared.execute().await.unwrap();
            let right = if found { vec![key.clone()] } else { Vec::new() };
            assert_eq!(all(&mut client, &info).await, right, "{language}, {text}");
        }
    }
    client.set_header("qserv-language", "adql");
    let refused = client.execute(open.to_owned(), None).await.unwrap_err().to_string();
    assert!(refused.contains("no parameters"), "{refused}");

    client.set_header("qserv-language", "sql");
    let sql = "SELECT o.tract, count(*) FILTER (WHERE o.\"refExtendedness\" = 0) FROM demo.Object o GROUP BY o.tract";
    let info = client.execute(sql.to_owned(), None).await.unwrap();
    assert!(!all(&mut client, &info).await.is_empty());
    let refused = [
        ("CREATE TABLE t AS SELECT 1".to_owned(), "nothing but queries"),
        ("DROP TABLE demo.Object".to_owned(), "nothing but queries"),
        ("SELECT 1; SELECT 2".to_owned(), "one query at a time"),
        ("COPY demo.Object TO 'x'".to_owned(), "nothing but queries"),
        ("SELECT nosuch FROM demo.Object".to_owned(), "there is no column nosuch"),
        ("SELECT o.nosuch FROM demo.Object o".to_owned(), "there is no column o.nosuch"),
        ("SELECT 1 FROM demo.object".to_owned(), "there is no table"),
        ("SELECT 1 FROM '/etc/passwd'".to_owned(), "there is no table /etc/passwd;"),
        ("SELECT 1 FROM information_schema.tables".to_owned(), "there is no table information_schema.tables;"),
        ("SELECT nosuch(1)".to_owned(), "there is no function nosuch"),
        ("SELECT version()".to_owned(), "there is no function version"),
        ("SELECT input_file_name() FROM demo.\"Object\"".to_owned(), "there is no function input_file_name"),
        ("SELECT file_row_index() FROM demo.\"Object\"".to_owned(), "there is no function file_row_index"),
        (format!("SELECT {}", vec!["1"; 100_000].join("+")), "too many operators"),
    ];
    for (other, words) in refused {
        let error = client.execute(other.clone(), None).await.unwrap_err().to_string();
        assert!(error.contains(words) && !error.to_lowercase().contains("datafusion"), "{other:.80}: {error}");
    }
    let deep = format!("SELECT {} AS n", vec!["1"; 250].join(" + "));
    let info = client.execute(deep, None).await.unwrap();
    assert_eq!(all(&mut client, &info).await, [["250"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_hand_out_the_rows_and_one_that_dies_costs_none() {
    let mut cluster = samples::flying_processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let engine = Processes::new(&cluster);
    let mut client = connect(&cluster.flight_url().unwrap()).await;
    agree(&mut client, &engine).await;

    let query = "SELECT sourceId, objectId FROM demo.Source";
    let right = engine.ask(query).await.unwrap();
    let info = client.execute(query.to_owned(), None).await.unwrap();
    assert!(info.endpoint.len() >= 3);
    assert!(info.endpoint.iter().all(|endpoint| endpoint.location.len() >= 2), "replicas are named");

    // A ticket that was tampered with opens nothing, and a worker does nothing but hand out rows.
    let mut forged = info.endpoint[0].clone();
    if let Some(ticket) = &mut forged.ticket {
        let mut bytes = ticket.ticket.to_vec();
        let at = bytes.len() - 40;
        bytes[at] ^= 1;
        ticket.ticket = bytes.into();
    }
    let mut worker = connect(&info.endpoint[0].location[0].uri).await;
    let refused = worker.do_get(forged.ticket.unwrap()).await.unwrap_err();
    assert!(refused.to_string().contains("not one of this service"), "{refused}");
    assert!(worker.execute("SELECT 1".to_owned(), None).await.is_err());

    // One is killed in the middle of the export.
    let mut rows = Vec::new();
    for (number, endpoint) in info.endpoint.iter().enumerate() {
        if number == 1 {
            cluster.kill_worker(1).unwrap();
        }
        rows.extend(cells::rows(&read(&mut client, endpoint).await).unwrap());
    }
    assert_same(rows, right, query);
    cluster.wait_for_live(2).await.unwrap();
    cluster.start_worker(1).unwrap();
    cluster.wait_for_live(3).await.unwrap();
    agree(&mut client, &engine).await;
}

/// A query that makes more rows than fit into any buffer, and one that takes longer for its first than a test lasts.
const ENDLESS: &str = "SELECT a.sourceId, b.forcedSourceId FROM demo.Source AS a, demo.ForcedSource AS b";
const SILENT: &str = "SELECT COUNT(*) AS n FROM demo.Source AS a, demo.ForcedSource AS b, demo.ForcedSource AS c \
                      WHERE a.psfFlux < b.psfFlux AND b.psfFlux < c.psfFlux";

/// A way to a server that can be cut without a word: what is behind it is then neither there nor gone.
struct Wire {
    address: SocketAddr,
    frozen: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Wire {
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let frozen = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        let is_frozen = frozen.subscribe();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut far = TcpStream::connect(server.trim_start_matches("http://")).await.unwrap();
                let mut is_frozen = is_frozen.clone();
                connections.spawn(async move {
                    let is_cut = async move { is_frozen.wait_for(|frozen| *frozen).await.is_ok() };
                    let is_cut = tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => false,
                        is_cut = is_cut => is_cut,
                    };
                    if is_cut {
                        // Open, and deaf.
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { address, frozen, _tasks: tasks }
    }
}

async fn cancel(client: &mut FlightServiceClient<Channel>, info: FlightInfo) {
    let action = Action::new("CancelFlightInfo", CancelFlightInfoRequest::new(info).encode_to_vec());
    let result = client.do_action(action).await.unwrap().into_inner().message().await.unwrap().unwrap();
    assert_eq!(CancelFlightInfoResult::decode(result.body).unwrap().status(), CancelStatus::Cancelled);
}

/// Waits until the czar hands out rows again, for so many seconds at most.
async fn wait_for_place(client: &mut Client, ticket: Ticket, at_most_s: u64) {
    let deadline = Instant::now() + Duration::from_secs(at_most_s);
    loop {
        match client.do_get(ticket.clone()).await {
            Ok(rows) => {
                rows.try_collect::<Vec<_>>().await.unwrap();
                return;
            }
            Err(error) => {
                assert!(Instant::now() < deadline && error.to_string().contains("too many streams"), "{error}")
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_for_a_client_ends_with_it() {
    let cluster = samples::flying_processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let url = cluster.flight_url().unwrap();
    let mut client = connect(&url).await;
    let one = client.execute("SELECT COUNT(*) AS n FROM demo.Visit".to_owned(), None).await.unwrap();
    let place = one.endpoint[0].ticket.clone().unwrap();

    // Clients that say goodbye, clients that vanish, and a cancelled query.
    for (way, at_most_s) in [("drop", 5), ("freeze", 15), ("cancel", 5)] {
        let wire = Wire::to(url.clone()).await;
        let mut held = Vec::new();
        let mut infos = Vec::new();
        for _ in 0..MAX_STREAMS {
            let mut other = connect(&format!("http://{}", wire.address)).await;
            let info = other.execute(ENDLESS.to_owned(), None).await.unwrap();
            let mut rows = other.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
            assert!(rows.try_next().await.unwrap().unwrap().num_rows() > 0);
            held.push((other, rows));
            infos.push(info);
        }
        let full = client.do_get(place.clone()).await.unwrap_err().to_string();
        assert!(full.contains("too many streams"), "{full}");
        match way {
            "drop" => held.clear(),
            "freeze" => {
                wire.frozen.send_replace(true);
            }
            _ => {
                for info in infos {
                    cancel(client.inner_mut(), info).await;
                }
                for (_, rows) in &mut held {
                    let ended = async {
                        while rows.try_next().await?.is_some() {}
                        Ok::<_, FlightError>(())
                    };
                    assert!(ended.await.unwrap_err().to_string().contains("cancelled"));
                }
            }
        }
        wait_for_place(&mut client, place.clone(), at_most_s).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_query_is_polled() {
    let cluster = samples::flying_processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let channel = Endpoint::from_shared(cluster.flight_url().unwrap()).unwrap().connect().await.unwrap();
    let mut client = FlightServiceClient::new(channel);
    let ask = |query: &str| {
        let command = CommandStatementQuery { query: query.to_owned(), transaction_id: None };
        FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
    };
    // What is short, or comes in parts, is whole at once.
    for query in [MERGED[0], IN_PARTS[0]] {
        let poll = client.poll_flight_info(ask(query)).await.unwrap().into_inner();
        assert!(poll.flight_descriptor.is_none() && poll.progress == Some(1.0), "{query}");
        let info = poll.info.unwrap();
        assert!(!info.endpoint.is_empty());
        if query == MERGED[0] {
            let mut sql = connect(&cluster.flight_url().unwrap()).await;
            let (first, again) = (all(&mut sql, &info).await, all(&mut sql, &info).await);
            assert!(first == again && first.len() == 1, "{first:?}");
        }
    }
    // The bare text of a query is a command too.
    let bare = client.get_flight_info(FlightDescriptor::new_cmd(MERGED[0])).await.unwrap().into_inner();
    assert_eq!(bare.endpoint.len(), 1);
    assert!(client.get_flight_info(FlightDescriptor::new_cmd("SELECT nosuch FROM demo.Object")).await.is_err());
    let schema = client.get_schema(FlightDescriptor::new_cmd(MERGED[0])).await.unwrap().into_inner();
    assert!(!schema.schema.is_empty());
    // A long one tells how far it is, until it is cancelled; `runs` has the test of what nobody asks about.
    let first = client.poll_flight_info(ask(SILENT)).await.unwrap().into_inner();
    let next = first.flight_descriptor.unwrap();
    let second = client.poll_flight_info(next.clone()).await.unwrap().into_inner();
    assert!(second.flight_descriptor.is_some() && second.info.as_ref().unwrap().endpoint.is_empty());
    assert!((0.0..=1.0).contains(&second.progress.unwrap()));
    cancel(&mut client, second.info.unwrap()).await;
    assert!(client.poll_flight_info(next).await.is_err());
}

/// A table to send: three objects of the sky and one place where nothing is.
async fn places(engine: &impl Engine) -> (RecordBatch, Vec<Vec<String>>) {
    let rows =
        engine.ask("SELECT TOP 3 objectId, coord_ra, coord_dec FROM demo.Object ORDER BY objectId").await.unwrap();
    let number = |row: usize, column: usize| rows[row][column].parse::<f64>().unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![0, 1, 2, 3]))),
        ("ra", Arc::new(Float64Array::from(vec![number(0, 1), number(1, 1), number(2, 1), 200.0]))),
        ("dec", Arc::new(Float64Array::from(vec![number(0, 2), number(1, 2), number(2, 2), 80.0]))),
        ("word", Arc::new(StringArray::from(vec![Some("a"), None, Some("c"), Some("d")]))),
    ];
    let right = (0..3).map(|id| vec![id.to_string(), rows[id][0].clone()]).collect();
    (RecordBatch::try_from_iter(columns).unwrap(), right)
}

fn ingest(table: &str, existing: TableExistsOption) -> CommandStatementIngest {
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: TableNotExistOption::Create as i32,
            if_exists: existing as i32,
        }),
        table: table.to_owned(),
        schema: None,
        catalog: None,
        temporary: true,
        transaction_id: None,
        options: HashMap::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_brings_tables_along() {
    let cluster = samples::flying_processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let (batch, right) = places(&Processes::new(&cluster)).await;
    let mut client = connect(&cluster.flight_url().unwrap()).await;
    client.set_header("qserv-session", "a name that nobody guesses");
    let send = async |client: &mut Client, command: CommandStatementIngest, batch: &RecordBatch| {
        let rows = futures::stream::iter([Ok(batch.clone()), Ok(batch.slice(0, 0))]);
        client.execute_ingest(command, rows).await.map_err(|error| error.to_string())
    };
    assert_eq!(send(&mut client, ingest("Places", TableExistsOption::Fail), &batch).await, Ok(4));

    let near = "SELECT t.id, o.objectId FROM TAP_UPLOAD.places AS t JOIN demo.Object AS o \
                ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.00001";
    let info = client.execute(near.to_owned(), None).await.unwrap();
    assert_same(all(&mut client, &info).await, right.clone(), near);
    let mut prepared =
        client.prepare("SELECT word FROM TAP_UPLOAD.Places WHERE id = ?".to_owned(), None).await.unwrap();
    let value: ArrayRef = Arc::new(Int64Array::from(vec![2]));
    prepared.set_parameters(RecordBatch::try_from_iter([("id", value)]).unwrap()).unwrap();
    let info = prepared.execute().await.unwrap();
    assert_eq!(all(&mut client, &info).await, [["c"]]);

    // A table of the same name is refused, or replaces it; an answer that was planned keeps the rows that it saw.
    let planned = client.execute(near.to_owned(), None).await.unwrap();
    let again = send(&mut client, ingest("PLACES", TableExistsOption::Fail), &batch).await.unwrap_err();
    assert!(again.contains("has a table of this name"), "{again}");
    assert_eq!(send(&mut client, ingest("places", TableExistsOption::Replace), &batch.slice(0, 1)).await, Ok(1));
    let info = client.execute(near.to_owned(), None).await.unwrap();
    assert_same(all(&mut client, &info).await, right[..1].to_vec(), near);
    assert_same(all(&mut client, &planned).await, right, near);

    // What is no temporary table, has no good name or columns, or comes without a session.
    let permanent = CommandStatementIngest { temporary: false, ..ingest("t", TableExistsOption::Fail) };
    let elsewhere = CommandStatementIngest { schema: Some("demo".to_owned()), ..ingest("t", TableExistsOption::Fail) };
    let lists: ArrayRef =
        Arc::new(FixedSizeListArray::new_null(Arc::new(Field::new("item", DataType::Int8, true)), 2, 1));
    let lists = RecordBatch::try_from_iter([("l", lists)]).unwrap();
    for (command, batch, words) in [
        (permanent, &batch, "only temporary tables"),
        (elsewhere, &batch, "belongs into TAP_UPLOAD"),
        (ingest("a b", TableExistsOption::Fail), &batch, "cannot be called"),
        (ingest("t", TableExistsOption::Append), &batch, "made anew"),
        (ingest("t", TableExistsOption::Fail), &lists, "cannot be queried"),
    ] {
        let refused = send(&mut client, command, batch).await.unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }
    client.set_header("qserv-session", "short");
    assert!(client.execute(near.to_owned(), None).await.unwrap_err().to_string().contains("16 characters"));

    // Others do not see it, and in the end nobody does.
    client.set_header("qserv-session", "another name that is long");
    let unseen = client.execute(near.to_owned(), None).await.unwrap_err().to_string();
    assert!(unseen.contains("TAP_UPLOAD") || unseen.contains("places"), "{unseen}");
    client.set_header("qserv-session", "a name that nobody guesses");
    assert!(client.execute(near.to_owned(), None).await.is_ok());
    let mut close = tonic::Request::new(Action::new("CloseSession", Vec::new()));
    close.metadata_mut().insert("qserv-session", "a name that nobody guesses".parse().unwrap());
    client.inner_mut().do_action(close).await.unwrap().into_inner().message().await.unwrap();
    assert!(client.execute(near.to_owned(), None).await.is_err());
    let files = std::fs::read_dir(cluster.folder().join("czar/flight-uploads")).unwrap().count();
    assert_eq!(files, 0, "the files are gone with the session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_goes_in_and_its_join_comes_out() {
    let cluster = samples::flying_processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let (batch, right) = places(&Processes::new(&cluster)).await;
    let channel = Endpoint::from_shared(cluster.flight_url().unwrap()).unwrap().connect().await.unwrap();
    let client = FlightServiceClient::new(channel);
    let exchange = async |query: Option<Vec<u8>>, name: Option<&str>, batches: Vec<RecordBatch>| {
        let encoder = FlightDataEncoderBuilder::new().with_schema(batch.schema());
        let encoder = encoder.with_flight_descriptor(query.map(FlightDescriptor::new_cmd));
        let data = encoder.build(futures::stream::iter(batches.into_iter().map(Ok)));
        let data = data.map(|data| data.unwrap());
        let mut request = tonic::Request::new(data);
        if let Some(name) = name {
            request.metadata_mut().insert("qserv-table", name.parse().unwrap());
        }
        let answer = client.clone().do_exchange(request).await.map_err(|status| status.message().to_owned())?;
        let rows = FlightRecordBatchStream::new_from_flight_data(answer.into_inner().map_err(FlightError::from));
        let batches: Vec<RecordBatch> = rows.try_collect().await.map_err(|error| error.to_string())?;
        Ok::<_, String>(cells::rows(&batches).unwrap())
    };
    let near = |table: &str| {
        format!(
            "SELECT t.id, o.objectId FROM TAP_UPLOAD.{table} AS t JOIN demo.Object AS o \
             ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.00001"
        )
    };
    let message = CommandStatementQuery { query: near("sent"), transaction_id: None }.as_any().encode_to_vec();
    let pieces = vec![batch.slice(0, 1), batch.slice(1, 3)];
    for (query, name) in
        [(near("sent").into_bytes(), None), (message, None), (near("Stars").into_bytes(), Some("stars"))]
    {
        assert_same(exchange(Some(query), name, pieces.clone()).await.unwrap(), right.clone(), "exchange");
    }
    let refused = [
        (Some(near("other")), None, pieces.clone(), "other"),
        (Some(near("sent")), None, Vec::new(), "no rows"),
        (Some(near("sent")), Some("a b"), pieces.clone(), "cannot be called"),
        (None, None, pieces, "name the query"),
    ];
    for (query, name, batches, words) in refused {
        let error = exchange(query.map(String::into_bytes), name, batches).await.unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let files = std::fs::read_dir(cluster.folder().join("czar/flight-uploads")).unwrap().count();
    assert_eq!(files, 0, "the files are gone with their queries");
}
