//! An operator's connection: finds the controller, proves who asks, sends one request and gives its answers.
//! Plain blocking sockets: a command has nothing else to do.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use dscript_protocol::folder::{address_file, data_folder, operator_secret_file};
use dscript_protocol::hello::{Greeting, Hello};
use dscript_protocol::limits::{FRAME_BYTES_MAX, HELLO_BYTES_MAX, HELLO_MS_MAX};
use dscript_protocol::message::{FromOperator, ToOperator};
use dscript_protocol::{Secret, Wire};

/// Where the controller is: its data folder, and its address if it is not the one in there.
#[derive(Args, Clone, Debug, Default)]
pub struct Target {
    /// The controller's address; else the one in its data folder
    #[arg(long, value_name = "HOST:PORT")]
    pub controller: Option<String>,
    /// The controller's data folder; else $DSCRIPT_DATA, else the user's data folder
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// A request under way.
pub struct Client {
    stream: TcpStream,
    ended: bool,
}

impl Client {
    /// Connects and sends the request.
    pub fn ask(target: &Target, request: &FromOperator) -> Result<Self, String> {
        let data = data_folder(target.data.as_deref())?;
        let address = match &target.controller {
            Some(address) => address.clone(),
            None => std::fs::read_to_string(address_file(&data)).map(|text| text.trim().to_owned()).map_err(|_| {
                format!(
                    "no controller runs with the data folder {}: start one with `dsctl serve`, or name its \
                     folder with --data",
                    data.display()
                )
            })?,
        };
        let secret_file = operator_secret_file(&data);
        let secret = std::fs::read_to_string(&secret_file).map_err(|why| {
            format!(
                "cannot read {} ({why}): operators prove who they are by what stands there, in the data folder of the \
                 controller; name that folder with --data, also beside --controller",
                secret_file.display()
            )
        })?;
        let mut client = Self { stream: connect(&address)?, ended: false };
        let hello = Hello::Operator { secret: Secret(secret.trim().to_owned()) };
        let patience = Some(Duration::from_millis(HELLO_MS_MAX));
        let lost = |why: io::Error| format!("the connection to the controller at {address} broke: {why}");
        client.stream.set_read_timeout(patience).map_err(lost)?;
        client.send(&hello.encode().map_err(|why| why.to_string())?).map_err(lost)?;
        let bytes = client.receive(HELLO_BYTES_MAX).map_err(lost)?;
        match Greeting::decode(&bytes).map_err(|why| format!("{address}: {why}"))? {
            Greeting::Welcome => {}
            Greeting::Refused { reason, .. } => {
                return Err(format!("the controller at {address} refused: {reason}"));
            }
        }
        client.stream.set_read_timeout(None).map_err(lost)?;
        client.send(&request.encode().map_err(|why| why.to_string())?).map_err(lost)?;
        Ok(client)
    }

    /// The next answer; `None` after the last.
    pub fn answer(&mut self) -> Result<Option<ToOperator>, String> {
        if self.ended {
            return Ok(None);
        }
        let bytes = self.receive(FRAME_BYTES_MAX).map_err(|why| match why.kind() {
            io::ErrorKind::UnexpectedEof => "the controller went away; what was begun goes on".to_owned(),
            _ => format!("the connection to the controller broke: {why}"),
        })?;
        match ToOperator::decode(&bytes).map_err(|why| why.to_string())? {
            ToOperator::Done => {
                self.ended = true;
                Ok(None)
            }
            ToOperator::Refused { reason } => Err(reason),
            answer => Ok(Some(answer)),
        }
    }

    fn send(&mut self, body: &[u8]) -> io::Result<()> {
        let length =
            u32::try_from(body.len()).map_err(|_| io::Error::other("a message above four gigabytes"))?;
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        self.stream.write_all(&frame)
    }

    fn receive(&mut self, bytes_max: usize) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > bytes_max {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a message above the limit was announced",
            ));
        }
        let mut body = Vec::new();
        (&mut self.stream).take(length as u64).read_to_end(&mut body)?;
        if body.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(body)
    }
}

fn connect(address: &str) -> Result<TcpStream, String> {
    let bad = |why: io::Error| {
        format!("cannot reach the controller at {address}: {why}; is `dsctl serve` running?")
    };
    let found = address.to_socket_addrs().map_err(bad)?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "there is no such address");
    for one in found {
        if !one.ip().is_loopback() {
            return Err(format!(
                "{address} is another machine: until TLS is there, operators connect on loopback only"
            ));
        }
        match TcpStream::connect_timeout(&one, Duration::from_millis(HELLO_MS_MAX)) {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(why) => last = why,
        }
    }
    Err(bad(last))
}

/// Sends a request that has one answer.
pub fn ask_once(target: &Target, request: &FromOperator) -> Result<ToOperator, String> {
    let mut client = Client::ask(target, request)?;
    client.answer()?.ok_or_else(|| "the controller gave no answer".to_owned())
}
