//! The same through a server.

use std::collections::BTreeMap;

use qserv_core::ErrorKind;
use qserv_core::partition::PixelizationKind;
use qserv_ingest::{Client, Loading, Progress, Settings, router};

use crate::checks::check;
use crate::cluster::Cluster;
use crate::random_loads::block_on;
use crate::tables::{Row, database, file, text_file};

#[test]
fn a_client_loads_through_a_server() {
    block_on(async {
        let cluster = Cluster::new(2, Settings { garbage_grace_ms: 0, ..Settings::default() }).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = tokio::task::JoinSet::new();
        let app = router(cluster.ingest.clone());
        serving.spawn(async move { axum::serve(listener, app).await });
        let client = Client::new(&format!("http://{address}/"), reqwest::Client::new()).unwrap();

        let declared = database(PixelizationKind::Healpix, None, 60.0);
        let created = client.create_database(&declared).await.unwrap();
        assert_ne!(created.id, declared.id);
        assert_eq!(client.create_database(&declared).await.unwrap_err().kind(), ErrorKind::Conflict);
        let rows: Vec<Row> = (0..5000)
            .map(|row| Row { row, key: Some(row), other: None, position: Some(((row % 360) as f64, 10.0)) })
            .collect();
        let (parts, report) =
            client.load("sky", vec![file("Object", &rows), file("Forced", &rows)], &Progress::none()).await.unwrap();
        assert_eq!((parts.len(), report.rows()), (2, 10_000));
        let expected = BTreeMap::from([("Object".to_owned(), rows.clone()), ("Forced".to_owned(), rows)]);
        check(&cluster, &expected).await;

        let error = client.load("sky", vec![text_file("Object", "row,key\nx,1\n".into())], &Progress::none()).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.to_string().contains("line: 2"), "{error}");
        check(&cluster, &expected).await;

        let described = client.describe_database("SKY").await.unwrap();
        assert_eq!(described.tables[0].rows, Some(5000));
        assert_eq!(client.databases().await.unwrap().len(), 1);
        client.drop_database("sky").await.unwrap();
        assert_eq!(client.describe_database("sky").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(cluster.stores.files().is_empty());
        assert_eq!(Client::new("localhost", reqwest::Client::new()).unwrap_err().kind(), ErrorKind::Invalid);
    });
}

#[test]
fn an_upload_that_breaks_off_is_no_end_of_file() {
    block_on(async {
        let cluster = Cluster::new(1, Settings::default()).await;
        cluster.ingest.create_database(&database(PixelizationKind::Healpix, Some(1), 60.0)).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = tokio::task::JoinSet::new();
        let app = router(cluster.ingest.clone());
        serving.spawn(async move { axum::serve(listener, app).await });
        let client = Client::new(&format!("http://{address}"), reqwest::Client::new()).unwrap();
        let transaction = client.begin("sky").await.unwrap();
        struct Broken(bool);
        impl std::io::Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(std::io::Error::other("cut"));
                }
                let text = b"row,key,ra,dec\n1,1,1,1\n2,2,2,2\n";
                buffer[..text.len()].copy_from_slice(text);
                Ok(text.len())
            }
        }
        let mut broken = text_file("Object", String::new());
        broken.input = qserv_loaders::Input::Stream { name: "broken".into(), reader: Box::new(Broken(false)) };
        assert!(client.contribute(transaction, broken, &Progress::none()).await.is_err());
        // The server may still be giving it up; an abort waits for that.
        client.abort(transaction).await.unwrap();
        assert_eq!(client.commit(transaction).await.unwrap_err().kind(), ErrorKind::Conflict);
        check(&cluster, &BTreeMap::new()).await;
    });
}
