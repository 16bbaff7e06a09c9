//! The connection to the controller: made, greeted, kept alive by pings, and made again with growing pauses when
//! it is lost. This file is the only one that knows what carries the frames.

use std::time::Duration;

use dscript_protocol::Wire;
use dscript_protocol::hello::{Greeting, Hello, NodeHello};
use dscript_protocol::ids::random_bytes;
use dscript_protocol::limits::*;
use dscript_protocol::message::{FromNode, ToNode};
use tokio::io::BufWriter;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::frames::{read_frame, write_frame};

/// Log batches on their way to the controller.
const QUEUE_BATCHES_MAX: usize = 2;

/// Carries messages to the controller until the connection is lost.
#[derive(Clone)]
pub struct Outbox {
    /// Reports and the like: small, and no more than the node has runs, so the core never waits for the network.
    pub control: mpsc::UnboundedSender<FromNode>,
    /// Log batches wait for each other, and behind everything else.
    pub batches: mpsc::Sender<FromNode>,
}

/// What the connection tells the core.
pub enum LinkMail {
    /// Welcome.
    Up(Outbox),
    Said(ToNode),
    Down {
        why: String,
    },
    /// The controller will not have this node.
    Refused {
        why: String,
    },
}

/// Keeps a connection up for ever; ends when the core is gone or the controller refused.
pub async fn keep(controller: String, hello: NodeHello, core: mpsc::Sender<LinkMail>) {
    let mut pause = Backoff::new();
    loop {
        let up_since = Instant::now();
        let why = match once(&controller, &hello, &core).await {
            Ended::CoreGone => return,
            Ended::Refused(why) => {
                let _ = core.send(LinkMail::Refused { why }).await;
                return;
            }
            Ended::Lost(why) => why,
        };
        if up_since.elapsed() > Duration::from_millis(BACKOFF_MS_MAX) {
            pause = Backoff::new();
        }
        if core.send(LinkMail::Down { why }).await.is_err() {
            return;
        }
        sleep(pause.next()).await;
    }
}

enum Ended {
    CoreGone,
    Refused(String),
    Lost(String),
}

async fn once(controller: &str, hello: &NodeHello, core: &mpsc::Sender<LinkMail>) -> Ended {
    let patience = Duration::from_millis(HELLO_MS_MAX);
    match timeout(patience, lookup_host(controller)).await {
        Ok(Ok(mut found)) => {
            if found.any(|address| !address.ip().is_loopback()) {
                return Ended::Refused(elsewhere(controller));
            }
        }
        Ok(Err(why)) => return Ended::Lost(format!("cannot find the controller {controller}: {why}")),
        Err(_) => return Ended::Lost(format!("nobody says where {controller} is")),
    }
    let mut stream = match timeout(patience, TcpStream::connect(controller)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(why)) => return Ended::Lost(format!("cannot reach the controller at {controller}: {why}")),
        Err(_) => return Ended::Lost(format!("the controller at {controller} does not answer")),
    };
    if let Ok(peer) = stream.peer_addr()
        && !peer.ip().is_loopback()
    {
        return Ended::Refused(elsewhere(controller));
    }
    let _ = stream.set_nodelay(true);
    match timeout(patience, greet(&mut stream, hello)).await {
        Ok(Ok(Greeting::Welcome)) => {}
        Ok(Ok(Greeting::Refused { reason, again: true })) => return Ended::Lost(reason),
        Ok(Ok(Greeting::Refused { reason, again: false })) => {
            return Ended::Refused(format!("the controller refused this node: {reason}"));
        }
        Ok(Err(Greeted::Wrong(why))) => return Ended::Refused(format!("{controller}: {why}")),
        Ok(Err(Greeted::Lost(why))) => return Ended::Lost(why),
        Err(_) => return Ended::Lost(format!("the controller at {controller} does not answer")),
    }
    converse(stream, core).await
}

fn elsewhere(controller: &str) -> String {
    format!("{controller} is another machine: until TLS is there, nodes connect on loopback only")
}

/// What is wrong with a controller's address, where something is.
pub fn check_address(controller: &str) -> Result<(), String> {
    let good = controller
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
    if good {
        Ok(())
    } else {
        Err(format!("`{controller}` is not an address HOST:PORT, such as 127.0.0.1:7700"))
    }
}

enum Greeted {
    /// It will not go better another time.
    Wrong(String),
    Lost(String),
}

async fn greet(stream: &mut TcpStream, hello: &NodeHello) -> Result<Greeting, Greeted> {
    let lost = |why: std::io::Error| Greeted::Lost(format!("the connection broke: {why}"));
    let bytes = Hello::Node(hello.clone()).encode().map_err(|why| Greeted::Wrong(why.to_string()))?;
    write_frame(stream, &bytes).await.map_err(lost)?;
    match read_frame(stream, HELLO_BYTES_MAX).await.map_err(lost)? {
        Some(bytes) => Greeting::decode(&bytes).map_err(|why| Greeted::Wrong(why.to_string())),
        None => Err(Greeted::Lost("the controller closed the connection".into())),
    }
}

/// Carries messages both ways until the connection breaks or falls silent.
async fn converse(stream: TcpStream, core: &mpsc::Sender<LinkMail>) -> Ended {
    let (control, mut outgoing) = mpsc::unbounded_channel::<FromNode>();
    let (batches, mut outgoing_batches) = mpsc::channel::<FromNode>(QUEUE_BATCHES_MAX);
    let outbox = Outbox { control, batches };
    if core.send(LinkMail::Up(outbox.clone())).await.is_err() {
        return Ended::CoreGone;
    }
    let (mut from, to) = stream.into_split();
    let mut to = BufWriter::new(to);
    let writing = async {
        loop {
            let message = tokio::select! {
                biased;
                Some(message) = outgoing.recv() => message,
                Some(message) = outgoing_batches.recv() => message,
                else => return Ok::<(), String>(()),
            };
            let bytes = message.encode().map_err(|why| why.to_string())?;
            write_frame(&mut to, &bytes).await.map_err(|why| why.to_string())?;
        }
    };
    let pinging = async {
        loop {
            sleep(Duration::from_millis(PING_MS)).await;
            if outbox.control.send(FromNode::Ping).is_err() {
                return;
            }
        }
    };
    let reading = async {
        loop {
            let silence = Duration::from_millis(SILENCE_MS_MAX);
            let body = match timeout(silence, read_frame(&mut from, FRAME_BYTES_MAX)).await {
                Ok(Ok(Some(body))) => body,
                Ok(Ok(None)) => return Ended::Lost("the controller closed the connection".into()),
                Ok(Err(why)) => return Ended::Lost(format!("the connection broke: {why}")),
                Err(_) => return Ended::Lost("the controller fell silent".into()),
            };
            match ToNode::decode(&body) {
                Ok(message) => {
                    if core.send(LinkMail::Said(message)).await.is_err() {
                        return Ended::CoreGone;
                    }
                }
                Err(why) => return Ended::Lost(why.to_string()),
            }
        }
    };
    tokio::select! {
        ended = reading => ended,
        wrote = writing => Ended::Lost(match wrote {
            Ok(()) => "the connection was closed".into(),
            Err(why) => format!("the connection broke: {why}"),
        }),
        () = pinging => Ended::CoreGone,
    }
}

/// Pauses that double, each between half of itself and all of it, so that a thousand nodes do not come back at
/// the same moment.
struct Backoff {
    next_ms: u64,
    chance: u64,
}

impl Backoff {
    fn new() -> Self {
        let chance = random_bytes().map(u64::from_le_bytes).unwrap_or(u64::from(std::process::id())) | 1;
        Self { next_ms: BACKOFF_MS_MIN, chance }
    }

    fn next(&mut self) -> Duration {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        let pause_ms = self.next_ms;
        self.next_ms = (2 * pause_ms).min(BACKOFF_MS_MAX);
        Duration::from_millis(pause_ms / 2 + self.chance % (pause_ms / 2 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_differ() {
        let mut backoff = Backoff::new();
        let pauses: Vec<u64> = (0..12).map(|_| backoff.next().as_millis() as u64).collect();
        let mut longest = BACKOFF_MS_MIN;
        for pause in &pauses {
            assert!((longest / 2..=longest).contains(pause), "{pauses:?}");
            longest = (2 * longest).min(BACKOFF_MS_MAX);
        }
        assert_eq!(longest, BACKOFF_MS_MAX);
    }
}
