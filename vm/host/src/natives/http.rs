//! `Http`: one request on one connection, and the redirects that follow from it.
//!
//! A capability names the method and the whole URL as the program writes it: `http:GET:https\://example.com/status`. A
//! URL with a user, with `.` or `..` in its path, or with a fragment is refused, so that no text stands for another place
//! than it seems to. Where a redirect leads must be allowed as if the program had asked for it.

use std::error::Error as _;
use std::io;
use std::sync::{Arc, OnceLock};

use dscript_bytecode::capability::Capability;
use dscript_interp::Held;
use dscript_interp::native::{Failure, NativeDef, OutsideCall};
use dscript_interp::value::{ErrorValue, Value};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::*;

pub const NATIVES: &[NativeDef] =
    &[outside("Http.send", "(String, String, Map<String, String>, Bytes?, Duration) -> Response!", send)];

/// Of an answer's body.
const BODY_BYTES_MAX: usize = 64 << 20;
const REDIRECTS_MAX: usize = 10;
/// Of an answer's head.
const HEAD_BYTES_MAX: usize = 128 << 10;

fn invalid(text: String) -> ErrorValue {
    errors::error("EINVAL", text)
}

/// A URL in its parts.
#[derive(Clone, Debug, PartialEq)]
struct Target {
    tls: bool,
    host: String,
    port: u16,
    /// With the query.
    path: String,
}

impl Target {
    fn parse(url: &str) -> Result<Target, ErrorValue> {
        let bad =
            |what: &str| invalid(format!("`{}` is not a URL that can be asked: {what}", url.escape_debug()));
        if !url.is_ascii() {
            return Err(bad("what is not ASCII is written in bytes, as in `%C3%BC`"));
        }
        if url.contains(['#', '\\']) {
            return Err(bad("`#` and `\\` have no place in it"));
        }
        let uri: Uri = url.parse().map_err(|e: hyper::http::uri::InvalidUri| bad(&e.to_string()))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad("it begins with `http://` or `https://`")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("a user has no place in it; use the header `authorization`"));
        }
        if authority.host().is_empty() {
            return Err(bad("it has no host"));
        }
        // The parser takes a port that is none for no port.
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            None if tls => 443,
            None => 80,
            Some(port) => {
                port.parse().ok().filter(|port| *port > 0).ok_or_else(|| bad("after `:` stands a port"))?
            }
        };
        let dots = |part: &str| matches!(&*part.to_ascii_lowercase().replace("%2e", "."), "." | "..");
        if uri.path().split('/').any(dots) {
            return Err(bad("`.` and `..` have no place in its path"));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Target { tls, host: authority.host().to_ascii_lowercase(), port, path })
    }

    /// As the header `host` has it.
    fn host(&self) -> String {
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    fn url(&self) -> String {
        format!("{}://{}{}", if self.tls { "https" } else { "http" }, self.host(), self.path)
    }

    /// Where a `location` leads from here.
    fn redirected(&self, location: &str) -> Result<Target, ErrorValue> {
        let location = location.split('#').next().unwrap_or_default();
        let origin = format!("{}://{}", if self.tls { "https" } else { "http" }, self.host());
        let path = self.path.split('?').next().unwrap_or_default();
        let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
        let url = match location {
            _ if location.contains("://") => location.to_owned(),
            _ if location.starts_with("//") => {
                format!("{}:{location}", if self.tls { "https" } else { "http" })
            }
            _ if location.starts_with('/') => format!("{origin}{location}"),
            _ if location.starts_with('?') => format!("{origin}{path}{location}"),
            _ => {
                let (path, query) = match location.split_once('?') {
                    Some((path, query)) => (path, format!("?{query}")),
                    None => (location, String::new()),
                };
                let slash = if path.ends_with('/') || path.is_empty() { "/" } else { "" };
                let whole = crate::policy::resolved(&format!("{folder}{path}"));
                format!("{origin}{}{query}", if whole == "/" { whole } else { whole + slash })
            }
        };
        Target::parse(&url)
    }
}

/// Headers that this client sets itself, as they decide where a request ends.
const OWN_HEADERS: [HeaderName; 5] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];
/// Headers that another host does not get to see.
const SECRET_HEADERS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

fn headers(given: Vec<(String, String)>, body: bool) -> Result<HeaderMap, ErrorValue> {
    let mut all = HeaderMap::new();
    for (name, value) in given {
        let bad = || invalid(format!("`{}` is not a header that can be sent", name.escape_debug()));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        if OWN_HEADERS.contains(&key) {
            return Err(invalid(format!("the header `{key}` is set by the client itself")));
        }
        all.append(key, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| bad())?);
    }
    let mut or_else = |key: HeaderName, value: &'static str| {
        all.entry(key).or_insert(HeaderValue::from_static(value));
    };
    or_else(header::USER_AGENT, concat!("dscript/", env!("CARGO_PKG_VERSION")));
    or_else(header::ACCEPT, "*/*");
    if body {
        or_else(header::CONTENT_TYPE, "text/plain; charset=utf-8");
    }
    all.insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(all)
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    /// The body's, until it is in the heap.
    _held: Held,
}

fn send(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let _open = open_one(call)?;
    let (method, url, limit) = (call.string(0).to_owned(), call.string(1).to_owned(), call.int(4));
    let state = reach(call, "http", &[&method, &url])?;
    let mut target = Target::parse(&url)?;
    let mut method = Method::from_bytes(method.as_bytes())
        .ok()
        .filter(|_| method.bytes().all(|byte| byte.is_ascii_uppercase()) && method != "CONNECT")
        .ok_or_else(|| {
            invalid(format!("`{}` is not a method; for example: GET, PUT", method.escape_debug()))
        })?;
    let given = pairs(std::mem::replace(&mut call.args[2], Value::Null));
    let mut body = optional(std::mem::replace(&mut call.args[3], Value::Null), bytes).map(Bytes::from);
    let mut headers = headers(given, body.is_some())?;
    let begin = state.host.monotonic();
    let mut hops = 0;
    let answer = loop {
        let left = limit.saturating_sub(state.host.monotonic().saturating_sub(begin));
        let asked =
            one(state.clone(), method.clone(), target.clone(), headers.clone(), body.clone(), [limit, left]);
        let answer = call.wait(asked)??;
        let location = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let (301 | 302 | 303 | 307 | 308, Some(location)) = (answer.status, location) else { break answer };
        let failed = |code: &str, why: &str| {
            errors::error(code, format!("{} leads to `{}`: {why}", target.url(), location.escape_debug()))
        };
        hops += 1;
        if hops > REDIRECTS_MAX {
            return Err(failed("ELOOP", &format!("there were {REDIRECTS_MAX} redirects before")).into());
        }
        let next = target.redirected(location).map_err(|e| failed("EPROTO", &e.message))?;
        // From 303 on, and by custom from 301 and 302 too, what was posted is not posted again.
        if answer.status == 303 && method != Method::HEAD
            || matches!(answer.status, 301 | 302) && method == Method::POST
        {
            method = Method::GET;
            body = None;
            headers.remove(header::CONTENT_TYPE);
        }
        if (next.tls, &next.host, next.port) != (target.tls, &target.host, target.port) {
            SECRET_HEADERS.iter().for_each(|name| drop(headers.remove(name)));
        }
        let wanted = Capability::exact("http", &[method.as_str(), &next.url()]).to_string();
        if let Err(denied) = call.require(&wanted) {
            let hint = "to follow it, ask from a lowlevel function whose `@Needs` names both addresses";
            let mut error = failed("denied", &format!("{}; {hint}", denied.message));
            error.data.push(("url".into(), next.url()));
            return Err(error.into());
        }
        target = next;
    };
    let mut named: Vec<(String, String)> = Vec::new();
    for (name, value) in &answer.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        match named.iter_mut().find(|(known, _)| known == name.as_str()) {
            Some((_, all)) => {
                all.push_str(", ");
                all.push_str(&value);
            }
            None => named.push((name.as_str().to_owned(), value.into_owned())),
        }
    }
    let entries = named.into_iter().map(|(name, value)| (Value::String(name), Value::String(value)));
    Ok(record([
        ("status", Value::Int(answer.status.into())),
        ("headers", Value::Map(entries.collect())),
        ("body", Value::Bytes(answer.body)),
        ("url", Value::String(target.url())),
    ]))
}

/// One request with its answer, within what is left of the limit.
async fn one(
    run: Rc<RunState>,
    method: Method,
    target: Target,
    mut headers: HeaderMap,
    body: Option<Bytes>,
    [limit, left]: [i64; 2],
) -> Result<Answer, ErrorValue> {
    let what = format!("{method} {}", target.url());
    let work = async {
        let host = HeaderValue::from_str(&target.host()).map_err(|e| invalid(e.to_string()))?;
        headers.insert(header::HOST, host);
        let mut request = Request::new(Full::new(body.unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = target.path.parse().map_err(|_| invalid(format!("the path of {what}")))?;
        *request.headers_mut() = headers;
        let (stream, _) = net::open(&run, &target.host, target.port).await?;
        if !target.tls {
            return exchange(&run, stream, request, &what).await;
        }
        let config = tls_config().await?;
        let failed = |why: String| tls(format!("{what}: {why}"));
        let name = target.host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(|e| failed(e.to_string()))?;
        let stream = TlsConnector::from(config).connect(name, stream).await;
        let stream = stream.map_err(|e| match e.raw_os_error() {
            Some(_) => errors::io(&e, &what),
            None => failed(e.to_string()),
        })?;
        exchange(&run, stream, request, &what).await
    };
    let done = net::in_time(&run, left, &what, work).await;
    done.map_err(|mut error| {
        if error.code == "timeout" {
            error.message = errors::timed_out(&what, limit).message;
        }
        error.data.push(("url".into(), target.url()));
        error
    })
}

/// Ends the work on a connection with whoever waits for it.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn exchange(
    run: &RunState,
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    request: Request<Full<Bytes>>,
    what: &str,
) -> Result<Answer, ErrorValue> {
    let failed = |e: hyper::Error| why(&e, what);
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let _connection = AbortOnDrop(tokio::task::spawn_local(async move {
        // What goes wrong is told to who sent the request.
        let _ = connection.await;
    }));
    let response: Response<Incoming> = sender.send_request(request).await.map_err(failed)?;
    let (head, mut incoming) = response.into_parts();
    let (mut body, mut held) = (Vec::new(), run.hold());
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(failed)?.into_data() else { continue };
        if body.len() + data.len() > BODY_BYTES_MAX {
            let text = format!("{what}: the answer has more than {} MiB", BODY_BYTES_MAX >> 20);
            return Err(errors::error("limit", text));
        }
        if !reserve_held(&mut body, data.len(), &mut held) {
            let text = format!("{what}: the answer has more than the memory of this task has room for");
            return Err(errors::error("limit", text));
        }
        body.extend_from_slice(&data);
    }
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, _held: held })
}

fn why(e: &hyper::Error, what: &str) -> ErrorValue {
    let mut source = e.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            if io.raw_os_error().is_some() {
                return errors::io(io, what);
            }
            if io.kind() == io::ErrorKind::UnexpectedEof {
                return errors::error(
                    "ECONNRESET",
                    format!("{what}: the connection ended within the answer"),
                );
            }
            if let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                return self::tls(format!("{what}: {tls}"));
            }
        }
        source = inner.source();
    }
    match e.is_incomplete_message() || e.is_closed() || e.is_canceled() || e.is_body_write_aborted() {
        true => errors::error("ECONNRESET", format!("{what}: the connection ended within the answer")),
        false => {
            let inner = e.source().map(|inner| format!(": {inner}")).unwrap_or_default();
            errors::error("EPROTO", format!("{what}: {e}{inner}"))
        }
    }
}

/// What is wrong with an encrypted connection, and what to do where nobody vouches for the other side.
fn tls(mut text: String) -> ErrorValue {
    if text.contains("UnknownIssuer") {
        text += "; no authority that this machine trusts has signed its certificate: add the authority to the machine's \
                 (`update-ca-certificates`), or name a file with it in the variable SSL_CERT_FILE";
    }
    errors::error("tls", text)
}

/// The authorities that this machine trusts, read once; an empty store is read again the next time.
async fn tls_config() -> Result<Arc<ClientConfig>, ErrorValue> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let found = on_thread(rustls_native_certs::load_native_certs).await?;
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(found.certs);
    if good == 0 {
        let text = "this machine has no certificates of authorities to trust: install `ca-certificates`, or set \
                    SSL_CERT_FILE";
        return Err(errors::error("tls", text));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| errors::error("tls", e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(CONFIG.get_or_init(|| Arc::new(config)).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_in_their_parts() {
        let good = |url: &str, expected: &str| {
            assert_eq!(Target::parse(url).expect(url).url(), expected);
        };
        good("http://Example.com", "http://example.com/");
        good("https://example.com:443/a?b=c", "https://example.com/a?b=c");
        good("http://[::1]:8080/", "http://[::1]:8080/");
        good("http://h?q", "http://h/?q");
        good("https://h/a..b/...", "https://h/a..b/...");
        let bad = [
            "",
            "h/x",
            "/x",
            "ftp://h/",
            "http://",
            "http://:80/",
            "http://u@h/",
            "http://good@evil/",
            "http://h:0/",
            "http://h:99999/",
            "http://h:/",
            "http://h/a/../b",
            "http://h/%2E%2e/b",
            "http://h/.%2e",
            "http://h/a b",
            "http://h/#x",
            "http://h/ü",
            "http://h\\@x/",
            "http://h/\r\nx",
            "file:///etc/passwd",
        ];
        for url in bad {
            assert_eq!(Target::parse(url).expect_err(url).code, "EINVAL");
        }
    }

    #[test]
    fn where_redirects_lead() {
        let check = |location: &str, expected: &str| {
            let from = Target::parse("https://h:8443/a/b?c=d").expect("good");
            let to = from.redirected(location).map_or_else(|e| e.code, |to| to.url());
            assert_eq!(to, expected);
        };
        check("http://other/x#part", "http://other/x");
        check("//other/x", "https://other/x");
        check("/x?y", "https://h:8443/x?y");
        check("?y=z", "https://h:8443/a/b?y=z");
        check("c", "https://h:8443/a/c");
        check("c/", "https://h:8443/a/c/");
        check("../c?q=/../", "https://h:8443/c?q=/../");
        check("../..", "https://h:8443/");
        check("/../x", "EINVAL");
        check("ftp://h/", "EINVAL");
    }

    #[test]
    fn headers_that_can_be_sent() {
        let check = |name: &str, value: &str, good: bool| {
            assert_eq!(headers(vec![(name.into(), value.into())], true).is_ok(), good, "{name}");
        };
        check("X-Token", "a b", true);
        check("x token", "a", false);
        check("x", "a\r\nhost: evil", false);
        check("Content-Length", "0", false);
        check("", "x", false);
        let mine = headers(vec![("content-type".into(), "application/json".into())], true).expect("good");
        assert_eq!(mine[header::CONTENT_TYPE], "application/json");
        assert!(!headers(vec![], false).expect("good").contains_key(header::CONTENT_TYPE));
    }
}
