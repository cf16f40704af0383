//! Made-up authorities, and who believes whom.

use std::path::Path;

use qserv_core::ErrorKind;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::Endpoint;

use super::*;

/// Writes an authority, a certificate of it for this machine, and its key.
fn write(folder: &Path) -> TlsSettings {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let file = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    TlsSettings {
        certificate: file("certificate.pem", certificate.pem()),
        key: file("key.pem", key.serialize_pem()),
        authorities: file("authorities.pem", authority.pem()),
    }
}

/// Accepts one connection, and says what came of it.
async fn accepting(acceptor: Acceptor) -> (u16, tokio::task::JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = async move {
        let (stream, _) = listener.accept().await?;
        let mut connection = acceptor.accept(stream, |stream| stream).await?;
        // The handshake is over for both when something comes. It ends when the client goes.
        let _ = connection.write_all(b"x").await;
        let _ = connection.read(&mut [0; 1024]).await;
        Ok(())
    };
    #[allow(clippy::disallowed_methods, reason = "the test ends it")]
    let task = tokio::spawn(accepted);
    (port, task)
}

#[tokio::test]
async fn who_has_the_authority_believes_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let settings = write(folder.path());
    let Tls { acceptor, trust } = settings.read().unwrap();
    let acceptor = acceptor.unwrap();
    let endpoint = |port: u16| Endpoint::from_shared(format!("https://localhost:{port}")).unwrap();

    let (port, task) = accepting(acceptor.clone()).await;
    // What answers is no HTTP/2, but the keys are agreed on before that is seen.
    let _ = trust.connect(endpoint(port)).await;
    task.await.unwrap().unwrap();

    let (port, task) = accepting(acceptor.clone()).await;
    let error = Trust::default().connect(endpoint(port)).await.unwrap_err();
    assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
    task.await.unwrap().unwrap_err();

    let (port, task) = accepting(acceptor).await;
    let error = trust.over(reqwest::Client::builder()).build().unwrap();
    let error = error.get(format!("https://127.0.0.2:{port}/")).send().await.unwrap_err();
    assert!(!error.is_status(), "{error:?}");
    task.abort();
}

#[tokio::test]
async fn a_client_without_tls_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (port, task) = accepting(write(folder.path()).read().unwrap().acceptor.unwrap()).await;
    let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
    drop(client);
    assert_eq!(task.await.unwrap().unwrap_err().kind(), std::io::ErrorKind::InvalidData);

    let (port, task) = accepting(write(folder.path()).read().unwrap().acceptor.unwrap()).await;
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let request = tonic::codegen::http::Request::new(tonic::body::Body::empty());
    // What it says depends on what it was about when the connection ended.
    tower::ServiceExt::oneshot(channel, request).await.unwrap_err();
    assert_eq!(task.await.unwrap().unwrap_err().kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let other_folder = tempfile::tempdir().unwrap();
    let (good, other) = (write(folder.path()), write(other_folder.path()));
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let refused = [
        (TlsSettings { key: None, ..good.clone() }, "tls.key"),
        (TlsSettings { certificate: None, ..good.clone() }, "tls.certificate"),
        (TlsSettings { key: other.key, ..good.clone() }, "together"),
        (TlsSettings { key: good.certificate.clone(), ..good.clone() }, "tls.key"),
        (TlsSettings { certificate: Some(empty.clone()), ..good.clone() }, "no certificate"),
        (TlsSettings { authorities: Some(empty), ..good.clone() }, "tls.authorities"),
        (TlsSettings { authorities: Some("/nowhere".into()), ..good }, "/nowhere"),
    ];
    for (settings, words) in refused {
        let error = settings.read().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(TlsSettings::default().read().unwrap().acceptor.is_none());
}
