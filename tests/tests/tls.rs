//! `Http` over TLS: real handshakes with a local server, under authorities that the tests make up.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use dscript_tests::{command, compile, finish, text};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

/// Prints what came of a GET and of a POST.
const SOURCE: &str = r#"
@Needs("http:*:https\\://*")
lowlevel void ask(String url) {
    Response! got = Http.get(url, 20s);
    print(isError(got) ? got.code : "${got.status} ${got.text()}");
    Response! sent = Http.post(url, "some text", 20s);
    print(isError(sent) ? sent.code : "${sent.status} ${sent.text()}");
}
@Needs("http:*:https\\://*")
lowlevel void why(String url) {
    Response! got = Http.get(url, 20s);
    print(isError(got) ? got.message : "trusted");
}
task Why(String url) { why(url); }
task Ask(String url) { ask(url); }
"#;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    authority_called("an authority")
}

fn authority_called(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("an authority")
}

/// What a server shows.
struct Server {
    name: &'static str,
    /// The last year of its certificate.
    until: i32,
    version: &'static SupportedProtocolVersion,
}

const GOOD: Server = Server { name: "localhost", until: 4000, version: &TLS13 };

/// Answers every request with its first line and its body; gives the port.
fn serve(server: &Server, by: &Authority) -> u16 {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![server.name.to_owned()]).expect("a name");
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(server.until, 1, 1);
    let certificate = params.signed_by(&key, by).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[server.version])
        .expect("a version of TLS")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("a configuration");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that refuses the certificate hangs up.
            let _ = answer(stream.expect("a connection"), &config);
        }
    });
    port
}

fn answer(stream: TcpStream, config: &Arc<ServerConfig>) -> std::io::Result<()> {
    let connection = ServerConnection::new(config.clone()).expect("a connection");
    let mut tls = StreamOwned::new(connection, stream);
    let mut request = Vec::new();
    let (head, body) = loop {
        let mut chunk = [0; 4096];
        let read = tls.read(&mut chunk)?;
        request.extend_from_slice(&chunk[..read]);
        let all = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = all.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let said = format!("{}|{body}", head.lines().next().unwrap_or_default());
    write!(tls, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}", said.len())?;
    tls.conn.send_close_notify();
    tls.flush()
}

/// What the program prints for this server, where it trusts an authority.
fn asked(scratch: &Path, host: &str, port: u16, trusted: &Authority) -> String {
    printed(scratch, "Ask", host, port, trusted)
}

fn printed(scratch: &Path, task: &str, host: &str, port: u16, trusted: &Authority) -> String {
    let roots = scratch.join("roots.pem");
    fs::write(&roots, trusted.pem()).expect("a file can be written");
    let image = compile(scratch, "ask", SOURCE);
    let mut exec = command("dsvm", scratch);
    let url = format!("url=https://{host}:{port}/x?y");
    exec.arg("exec").arg(image).args(["--task", task, "--set", &url]);
    exec.env("SSL_CERT_FILE", &roots).env_remove("SSL_CERT_DIR");
    let output = finish(&mut exec);
    assert_eq!(text(&output.stderr), "", "it prints what goes wrong");
    text(&output.stdout)
}

const ANSWERED: &str = "200 GET /x?y HTTP/1.1|\n200 POST /x?y HTTP/1.1|some text\n";
const REFUSED: &str = "tls\ntls\n";

#[test]
fn a_trusted_server_is_asked() {
    let scratch = tempfile::tempdir().expect("a folder");
    let authority = authority();
    for version in [&TLS12, &TLS13] {
        let port = serve(&Server { version, ..GOOD }, &authority);
        assert_eq!(asked(scratch.path(), "localhost", port, &authority), ANSWERED, "{version:?}");
    }
    let port = serve(&Server { name: "127.0.0.1", ..GOOD }, &authority);
    assert_eq!(asked(scratch.path(), "127.0.0.1", port, &authority), ANSWERED, "an address as name");
}

#[test]
fn other_servers_are_refused() {
    let scratch = tempfile::tempdir().expect("a folder");
    let (authority, unknown) = (authority(), authority());
    let refused = |server: Server, by: &Authority| {
        let port = serve(&server, by);
        assert_eq!(asked(scratch.path(), "localhost", port, &authority), REFUSED);
    };
    refused(GOOD, &unknown);
    let said =
        printed(scratch.path(), "Why", "localhost", serve(&GOOD, &authority_called("another")), &authority);
    assert!(
        said.contains("no authority that this machine trusts") && said.contains("SSL_CERT_FILE"),
        "{said}"
    );
    refused(Server { name: "other.example", ..GOOD }, &authority);
    refused(Server { until: 2001, ..GOOD }, &authority);
}
