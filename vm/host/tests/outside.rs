//! `Http`, `Net` and `Service` against servers and service managers that the tests make up.

#[path = "../../interp/tests/common/asm.rs"]
#[allow(dead_code)]
mod asm;

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use asm::Asm;
use dscript_bytecode::capability::escape;
use dscript_host::pool::{FindDone, PoolError, PoolQuery, PoolStats, PoolValue, Pools, PutDone};
use dscript_host::run::{Limits, NodeFacts, Policy, RunEvent, RunOptions, Stop};

dscript_host::spawner_before_main!();

/// Far longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct NoPools;

impl Pools for NoPools {
    fn open(&self, _: &str) -> Result<(), PoolError> {
        Ok(())
    }
    fn put(&self, _: &str, _: &str, _: Vec<(String, PoolValue)>, done: PutDone) {
        done(Ok(()));
    }
    fn find(&self, _: &str, _: PoolQuery, done: FindDone) {
        done(Ok(Vec::new()));
    }
    fn stats(&self, _: &str, _: PoolQuery, _: PoolStats, done: FindDone) {
        done(Ok(Vec::new()));
    }
}

const MEMORY_BYTES: u64 = 16 << 20;

/// What the program printed, and why it failed, where it did.
fn run(asm: Asm, deny: &[String]) -> String {
    run_within(MEMORY_BYTES, asm, deny)
}

fn run_within(memory_bytes: u64, asm: Asm, deny: &[String]) -> String {
    let program = dscript_host::load(&asm.build().to_bytes()).unwrap_or_else(|why| panic!("{why}"));
    let lines: Rc<RefCell<Vec<String>>> = Rc::default();
    let (printed, told) = (lines.clone(), lines.clone());
    let options = RunOptions {
        task: None,
        params: vec![],
        policy: Policy { allow: vec![], deny: deny.to_vec(), refuse_early: false },
        limits: Limits { memory_bytes, frames: 1000, ..Limits::default() },
        pools: Arc::new(NoPools),
        node: NodeFacts { name: "here".into(), labels: Vec::new() },
        print: Box::new(move |line| printed.borrow_mut().push(line.to_owned())),
    };
    let events = |event| {
        if let RunEvent::Result(outcome) = event
            && let Some(reason) = outcome.reason
        {
            told.borrow_mut().push(reason.lines().next().unwrap_or_default().to_owned());
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let stop = Stop::new();
    let run = async {
        let run = dscript_host::run::run(program, options, &stop, events);
        tokio::time::timeout(PATIENCE, run).await.expect("it ends").expect("it begins")
    };
    tokio::task::LocalSet::new().block_on(&runtime, run);
    lines.take().join("\n")
}

fn program(capabilities: &[String], locals: &str, body: &str) -> Asm {
    let mut asm = Asm::new();
    asm.image.manifest.capabilities = capabilities.to_vec();
    asm.handle("Connection");
    asm.record("Response", "status:int headers:Map<String,String> body:Bytes url:String");
    asm.record("ServiceStatus", "unit:String state:String pid:int? text:String");
    asm.native("print", "print", "", "String", "");
    asm.native("toText", "Bytes.toText", "", "Bytes", "String");
    asm.native("toBytes", "String.toBytes", "", "String", "Bytes");
    asm.native("map", "Map.new", "String String", "", "Map<String,String>");
    asm.native("mapPut", "Map.put", "String String", "Map<String,String> String String", "");
    asm.native("send", "Http.send", "", "String String Map<String,String> Bytes? Duration", "Response!");
    asm.native("ping", "Net.ping", "", "String int Duration", "Duration!");
    asm.native("connect", "Net.connect", "", "String int Duration", "Connection!");
    asm.native("write", "Connection.write", "", "Connection String", "void!");
    asm.native("read", "Connection.read", "", "Connection", "String?!");
    asm.native("readLine", "Connection.readLine", "", "Connection", "String?!");
    asm.native("readAll", "Connection.readAll", "", "Connection", "String!");
    asm.native("close", "Connection.close", "", "Connection", "");
    asm.native("status", "Service.status", "", "String", "ServiceStatus!");
    asm.native("restart", "Service.restart", "", "String", "void!");
    let body =
        format!("bool true s0\nnull r0\n{body}\nreturn [s0 r0]\nfailed:\nmove.r r15 r0\nreturn [s0 r0]");
    asm.function("main", &format!("=> boolean! | boolean! {locals}"), &body);
    asm.task("main", "main");
    asm
}

/// A request of a test.
struct Ask<'a> {
    method: &'a str,
    url: String,
    headers: &'a [(&'a str, &'a str)],
    body: Option<&'a str>,
    timeout: Duration,
    /// Besides the capability of the request itself.
    deny: Vec<String>,
    declared: Option<&'a str>,
    memory_bytes: u64,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        let url = String::new();
        Ask {
            method: "GET",
            url,
            headers: &[],
            body: None,
            timeout: PATIENCE,
            deny: vec![],
            declared: None,
            memory_bytes: MEMORY_BYTES,
        }
    }
}

impl Ask<'_> {
    /// Status, body and URL of the answer, or the error.
    fn send(&self) -> String {
        let headers: String = self
            .headers
            .iter()
            .map(|(name, value)| {
                format!("const {name:?} r9\nconst {value:?} r10\ncall.native $mapPut [r3 r9 r10] []\n")
            })
            .collect();
        let body = match self.body {
            None => "null r4".into(),
            Some(body) => format!("const {body:?} r9\ncall.native $toBytes [r9] [r8]\nmove.r r8 r4"),
        };
        let slash = self.url.find("//").expect("it is a URL") + 1;
        let code = format!(
            "const {:?} r1\nconst {:?} r2\nconst {:?} r9\nconcat [r2 r9] r2\ncall.native $map [] [r3]\n{headers}{body}\nint #{} s2
            call.native $send [r1 r2 r3 r4 s2] [r5 r15]\nif.some r15 @failed\nunwrap r5 r7
            get.s r7 .0 s1\ntext.s s1 :int r9\ncall.native $print [r9] []
            get.r r7 .1 r8\ncall.native $toText [r8] [r9]\ncall.native $print [r9] []
            get.r r7 .2 r9\ncall.native $print [r9] []",
            self.method,
            // The assembler takes two slashes for a comment.
            &self.url[..slash],
            &self.url[slash..],
            self.timeout.as_nanos(),
        );
        // As many texts as it takes for the error to be r15, as in every program here.
        let texts = "String ".repeat(6);
        let locals = format!(
            "int Duration String String Map<String,String> Bytes? Response! Response Bytes {texts} Error?"
        );
        let declared = match self.declared {
            Some(declared) => declared.to_owned(),
            None => format!("http:{}:{}", self.method, escape(&self.url)),
        };
        run_within(self.memory_bytes, program(&[declared], &locals, &code), &self.deny)
    }
}

fn get(url: &str) -> String {
    Ask { url: url.into(), ..Ask::default() }.send()
}

/// Listens on loopback, and serves each connection in turn by `answer`, which gets the request. The requests come out.
fn serve(mut answer: impl FnMut(&str, &mut TcpStream) + Send + 'static) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let port = listener.local_addr().expect("it is bound").port();
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let request = request(&mut stream);
            answer(&request, &mut stream);
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (port, requests)
}

/// A request with its body, as far as it came.
fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let is_tls = text.starts_with('\u{16}');
        if is_tls {
            return text;
        }
        if let Some((head, body)) = text.split_once("\r\n\r\n").or(text.split_once("\n\n")) {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut chunk) {
            Ok(read @ 1..) => bytes.extend(&chunk[..read]),
            _ => return text,
        }
    }
}

/// Serves each connection the same text.
fn answering(text: &'static str) -> (u16, Receiver<String>) {
    serve(move |_, stream| drop(stream.write_all(text.as_bytes())))
}

/// A port of loopback at which nobody listens.
fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("loopback").port()
}

#[test]
fn answers_of_every_form() {
    let check = |answer, expected: &str| {
        let (port, _requests) = answering(answer);
        let url = format!("http://127.0.0.1:{port}/a?b");
        assert_eq!(get(&url), format!("{expected}\n{url}"), "{answer:?}");
    };
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200\nhi");
    check("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "404\n");
    check("HTTP/1.1 204 No Content\r\n\r\n", "204\n");
    check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n", "200\nhi!");
    check("HTTP/1.0 200 OK\r\n\r\nto the end", "200\nto the end");
    check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 1\r\n\r\nx", "201\nx");
    check("HTTP/1.1 301 Moved\r\ncontent-length: 0\r\n\r\n", "301\n");
}

#[test]
fn a_request_is_sent_as_it_was_asked() {
    let (port, requests) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let ask = Ask {
        method: "PUT",
        url: format!("http://LOCALHOST:{port}/x?y=ü%20"),
        headers: &[("X-Token", "secret"), ("Content-Type", "application/json")],
        body: Some("{'a': 1}"),
        ..Ask::default()
    };
    // A URL is ASCII.
    assert!(ask.send().starts_with("error EINVAL: "));
    let ask = Ask { url: format!("http://LOCALHOST:{port}/x?y=%20"), ..ask };
    assert_eq!(ask.send(), format!("200\n\nhttp://localhost:{port}/x?y=%20"));
    let request = requests.recv().expect("one came");
    assert!(request.starts_with("PUT /x?y=%20 HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n{'a': 1}"), "{request}");
    let agent = concat!("user-agent: dscript/", env!("CARGO_PKG_VERSION"));
    let host = format!("host: localhost:{port}");
    for line in [agent, &host, "x-token: secret", "content-type: application/json", "content-length: 8"] {
        assert!(request.lines().any(|given| given == line), "{line} in {request}");
    }
    assert_eq!(request.matches("content-type").count(), 1);
}

#[test]
fn what_goes_wrong_has_a_code() {
    let check = |url: &str, code: &str| {
        let got = get(url);
        assert!(got.starts_with(&format!("error {code}: ")), "{url}: {got}");
    };
    check(&format!("http://127.0.0.1:{}/", nobody()), "ECONNREFUSED");
    check("http://no-such-host.invalid/", "dns");
    check("http://127.0.0.1/a/../b", "EINVAL");
    let broken = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut", "ECONNRESET"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\ncu", "ECONNRESET"),
        ("HTTP/1.1 200 OK\r\ncontent-le", "ECONNRESET"),
        ("", "ECONNRESET"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "EPROTO"),
        ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "EPROTO"),
        ("HTTP/1.1 302 Found\r\nlocation: ftp://h/\r\ncontent-length: 0\r\n\r\n", "EPROTO"),
    ];
    for (answer, code) in broken {
        let (port, _requests) = answering(answer);
        check(&format!("http://127.0.0.1:{port}/"), code);
    }
    let (port, _requests) = answering("HTTP/1.1 400 Bad Request\r\n\r\n");
    check(&format!("https://127.0.0.1:{port}/"), "tls");
    let got = Ask { method: "get", url: "http://127.0.0.1/".into(), ..Ask::default() }.send();
    assert!(got.starts_with("error EINVAL: "), "{got}");
    let ask = Ask { url: "http://127.0.0.1/".into(), headers: &[("Host", "evil")], ..Ask::default() };
    assert!(ask.send().starts_with("error EINVAL: "));
}

#[test]
fn answers_without_an_end_are_given_up() {
    let endless = |head: &'static str, more: &'static [u8], pause: Duration| {
        serve(move |_, stream| {
            let mut go_on = stream.write_all(head.as_bytes());
            while go_on.is_ok() {
                std::thread::sleep(pause);
                go_on = stream.write_all(more);
            }
        })
    };
    static CHUNK: [u8; 1 << 20] = [b'x'; 1 << 20];
    let (port, _requests) =
        endless("HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n", &CHUNK, Duration::ZERO);
    let url = format!("http://127.0.0.1:{port}/");
    for (memory_bytes, most) in
        [(128 << 20, "64 MiB"), (MEMORY_BYTES, "the memory of this task has room for")]
    {
        let got = Ask { url: url.clone(), memory_bytes, ..Ask::default() }.send();
        assert!(got.starts_with("error limit: ") && got.ends_with(&format!("more than {most}")), "{got}");
    }
    let (port, _requests) = endless("HTTP/1.1 200 OK\r\n", b"x-more: and more\r\n", Duration::ZERO);
    let got = get(&format!("http://127.0.0.1:{port}/"));
    assert!(got.starts_with("error EPROTO: "), "{got}");

    let silent = endless("", b"", Duration::from_millis(10));
    let drips = endless("HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n", b"x", Duration::from_millis(20));
    for (port, _requests) in [silent, drips] {
        let begin = Instant::now();
        let url = format!("http://127.0.0.1:{port}/");
        let ask = Ask { url: url.clone(), timeout: Duration::from_millis(300), ..Ask::default() };
        assert_eq!(ask.send(), format!("error timeout: GET {url} was not done after 300ms"));
        assert!(begin.elapsed() < PATIENCE / 2);
    }
}

#[test]
fn redirects_are_followed_within_the_policy() {
    let (there, there_requests) = answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthere");
    let leads = move |status: u16| {
        serve(move |_, stream| {
            let answer = format!(
                "HTTP/1.1 {status} x\r\nlocation: http://127.0.0.1:{there}/x\r\ncontent-length: 0\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes());
        })
    };
    let check = |status: u16, method: &str, expected: &str| {
        let (port, _requests) = leads(status);
        let url = format!("http://127.0.0.1:{port}/");
        let headers = &[("Authorization", "secret"), ("X-Kept", "yes")];
        let declared = Some("http:*");
        let ask = Ask { method, url, headers, body: Some("body"), declared, ..Ask::default() };
        assert_eq!(ask.send(), format!("200\nthere\nhttp://127.0.0.1:{there}/x"));
        let request = there_requests.recv().expect("one came");
        assert!(request.starts_with(expected), "{status} {method}: {request}");
        assert_eq!(request.ends_with("body"), !expected.starts_with("GET"), "{status} {method}: {request}");
        assert!(!request.contains("secret") && request.contains("x-kept: yes"), "{request}");
    };
    check(301, "POST", "GET /x ");
    check(303, "PUT", "GET /x ");
    check(302, "PUT", "PUT /x ");
    check(307, "POST", "POST /x ");
    check(308, "POST", "POST /x ");

    let (port, _requests) = leads(302);
    let url = format!("http://127.0.0.1:{port}/");
    let deny = vec![format!(r"http:*:http\://127.0.0.1\:{there}/*")];
    let got = Ask { url, deny, declared: Some("http:*"), ..Ask::default() }.send();
    assert!(got.starts_with("error denied: "), "{got}");
    // What the program declares counts at each hop.
    let (port, _requests) = leads(302);
    let got = get(&format!("http://127.0.0.1:{port}/"));
    let place = format!("leads to `http://127.0.0.1:{there}/x`: the program does not declare http:GET:");
    assert!(got.starts_with("error denied: ") && got.contains(&place), "{got}");

    let (port, _requests) = answering("HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n");
    let url = format!("http://127.0.0.1:{port}/");
    let got = Ask { url, declared: Some("http:*"), ..Ask::default() }.send();
    assert!(got.starts_with("error ELOOP: "), "{got}");
}

#[test]
fn what_is_not_declared_is_denied() {
    let url = format!("http://127.0.0.1:{}/", nobody());
    let check = |declared: &str, code: &str| {
        let got = Ask { url: url.clone(), declared: Some(declared), ..Ask::default() }.send();
        assert!(got.starts_with(&format!("error {code}: ")), "{declared}: {got}");
    };
    check(r"http:GET:http\://127.0.0.1*", "ECONNREFUSED");
    check("http:*", "ECONNREFUSED");
    check(r"http:POST:http\://127.0.0.1*", "denied");
    check(r"http:GET:http\://127.0.0.2*", "denied");
}

fn dial(port: u16, body: &str) -> String {
    let code = format!(
        "const \"127.0.0.1\" r1\nint #{port} s1\nint #2000000000 s2
        call.native $connect [r1 s1 s2] [r2 r15]\nif.some r15 @failed\nunwrap r2 r4\n{body}"
    );
    let locals = format!("int Duration String Connection! Connection String? {} Error?", "String ".repeat(9));
    run(program(&[format!("net:connect:127.0.0.1:{port}")], &locals, &code), &[])
}

#[test]
fn pings_take_their_time() {
    let ping = |port: i64, capability: &str| {
        let code = format!(
            "const \"127.0.0.1\" r1\nint #{port} s1\nint #2000000000 s2
            call.native $ping [r1 s1 s2] [s3 r15]\nif.some r15 @failed
            const \"there\" r1\ncall.native $print [r1] []"
        );
        let locals = format!("int Duration Duration {} Error?", "String ".repeat(14));
        run(program(&[capability.to_owned()], &locals, &code), &[])
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("it is bound").port();
    assert_eq!(ping(port.into(), "net:connect:127.0.0.1:*"), "there");
    assert!(ping(port.into(), "net:connect:localhost:*").starts_with("error denied: "));
    let nobody = nobody();
    let expected = format!("error ECONNREFUSED: cannot connect to 127.0.0.1:{nobody}: Connection refused");
    assert_eq!(ping(nobody.into(), "net:*"), expected);
    assert_eq!(ping(0, "net:*"), "error EINVAL: 0 is no port: they are 1 to 65535");
}

#[test]
fn connections_carry_text() {
    let (port, requests) = serve(|_, stream| {
        let _ = stream.write_all("one\r\ntwo\nü".as_bytes());
    });
    let line = "call.native $readLine [r4] [r5 r15]\nif.some r15 @failed\nunwrap r5 r6\ncall.native $print [r6] []\n";
    let body = format!(
        "const \"hello\\n\\n\" r6\ncall.native $write [r4 r6] [r15]\nif.some r15 @failed\n{line}{line}{line}
        call.native $readLine [r4] [r5 r15]\nif.some r15 @failed\nif.null r5 @end\nconst \"more\" r6
        call.native $print [r6] []\nend:\ncall.native $close [r4] []\ncall.native $close [r4] []
        call.native $write [r4 r6] [r15]\nif.some r15 @failed"
    );
    let closed = format!("the connection to 127.0.0.1:{port} is closed");
    assert_eq!(dial(port, &body), format!("one\ntwo\nü\nerror EBADF: {closed}"));
    assert_eq!(requests.recv().expect("one came"), "hello\n\n");
}

/// Asks, and prints what `native` gives until the end.
fn printed(native: &str) -> String {
    format!(
        "const \"\\n\\n\" r6\ncall.native $write [r4 r6] [r15]\nif.some r15 @failed\ntop:\n\
         call.native ${native} [r4] [r5 r15]\nif.some r15 @failed\nif.null r5 @end\nunwrap r5 r6\n\
         call.native $print [r6] []\njump @top\nend:"
    )
}

#[test]
fn a_character_in_two_parts_comes_as_one() {
    let (port, _requests) = serve(|_, stream| {
        for part in [&b"a\xc3"[..], b"\xbc", b"\xe2\x82"] {
            let _ = stream.write_all(part);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    assert_eq!(dial(port, &printed("read")), "a\nü\n\u{fffd}");
}

#[test]
fn lines_of_a_connection_end_as_lines_do() {
    let (port, _requests) = serve(|_, stream| {
        for part in [&b"a\rb\r"[..], b"\nc\r\n\n", b"d\r", b"e"] {
            let _ = stream.write_all(part);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    assert_eq!(dial(port, &printed("readLine")), "a\nb\nc\n\nd\ne");
}

/// Not a test of its own: what the test below runs with a systemctl of its own.
#[test]
fn with_a_made_up_systemctl() {
    let Some(expected) = std::env::var_os("DSCRIPT_HOST_TEST_SERVICE") else { return };
    let status = |unit: &str, capability: &str| {
        let code = format!(
            "const {unit:?} r1\ncall.native $status [r1] [r2 r15]\nif.some r15 @failed\nunwrap r2 r3
            text.r r3 :ServiceStatus r1\ncall.native $print [r1] []"
        );
        let locals = format!("String ServiceStatus? ServiceStatus {} Error?", "String ".repeat(11));
        run(program(&[capability.to_owned()], &locals, &code), &[])
    };
    let restart = |unit: &str, deny: &[String]| {
        let code = format!("const {unit:?} r1\ncall.native $restart [r1] [r15]\nif.some r15 @failed");
        let locals = format!("String {} Error?", "String ".repeat(13));
        run(program(&["service:control:*".to_owned()], &locals, &code), deny)
    };
    if expected == "none" {
        assert!(restart("good", &[]).starts_with("error ENOSYS: "), "{}", restart("good", &[]));
        return;
    }
    if expected == "asleep" {
        assert!(restart("good", &[]).starts_with("error ENOSYS: "), "{}", restart("good", &[]));
        return;
    }
    assert_eq!(
        status("good", "service:read:good"),
        "ServiceStatus(unit: good, state: active, pid: 42, text: A service (running))"
    );
    assert_eq!(status("none", "service:read:*"), "error ENOENT: service `none`: there is no such unit");
    assert!(status("good", "service:control:*").starts_with("error denied: "));
    assert!(status("--help", "service:read:*").starts_with("error EINVAL: "));
    assert!(status("a*", "service:read:*").starts_with("error EINVAL: "));
    assert_eq!(restart("good", &[]), "");
    assert_eq!(
        restart("bad", &[]),
        "error exit:5: service `bad`: `systemctl` ended with status 5: it is broken"
    );
    assert!(restart("good.service", &["service:control:good".into()]).starts_with("error denied: "));
}

#[test]
fn services_are_asked_through_the_machines_manager() {
    let folder = std::env::temp_dir().join(format!("dscript-host-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let check = |expected: &str, script: Option<&str>| {
        let file = folder.join("systemctl");
        match script {
            Some(script) => {
                std::fs::write(&file, script).expect("a file");
                std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).expect("a mode");
            }
            None => match std::fs::remove_file(&file) {
                Err(e) if e.kind() != ErrorKind::NotFound => panic!("{e}"),
                _ => {}
            },
        }
        let status = std::process::Command::new(std::env::current_exe().expect("our own path"))
            .args(["--exact", "with_a_made_up_systemctl"])
            .env("PATH", &folder)
            .env("DSCRIPT_HOST_TEST_SERVICE", expected)
            .status();
        assert!(status.expect("our own program starts").success(), "{expected}");
    };
    let known =
        "LoadState=loaded\\nActiveState=active\\nSubState=running\\nMainPID=42\\nDescription=A service\\n";
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in
        'show --property='*' -- good') printf '{known}';;
        'show --property='*' -- none') printf 'LoadState=not-found\\nActiveState=inactive\\n';;
        '--no-ask-password --quiet restart -- good') ;;
        *) echo 'it is broken' >&2; exit 5;;
        esac\n"
    );
    check("systemctl", Some(&script));
    let asleep =
        "#!/bin/sh\necho 'System has not been booted with systemd as init system (PID 1).' >&2\nexit 1\n";
    check("asleep", Some(asleep));
    check("none", None);
    std::fs::remove_dir_all(&folder).expect("it is ours");
}
