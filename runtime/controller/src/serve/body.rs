//! What an answer over HTTP carries: all of it at once, or pieces as they are read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::http::told;
use crate::log::filter::Failed;

/// Between the last line of a body that breaks off and its breaking off.
const BREAK_AFTER: Duration = Duration::from_secs(1);

/// A whole body, or pieces as they come.
pub enum Content {
    Whole(Option<Bytes>),
    Pieces(Pieces),
}

/// A body that comes in pieces. Its status is sent before the first one, so what fails later is told by a last line, and by the
/// body not being brought to its end: whoever reads sees that it broke off.
pub struct Pieces {
    pub first: Option<Bytes>,
    pub rest: mpsc::Receiver<Result<Bytes, Failed>>,
    /// Whether its lines are server-sent events.
    events: bool,
    /// Until the last line is on its way; what is not sent when a body breaks off is thrown away.
    breaking: Option<Pin<Box<Sleep>>>,
}

impl Pieces {
    pub fn new(rest: mpsc::Receiver<Result<Bytes, Failed>>, events: bool) -> Pieces {
        Pieces { first: None, rest, events, breaking: None }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(breaking) = &mut self.breaking {
            let broken = || Some(Err(io::Error::other("the LogPool could not be read to the end")));
            return breaking.as_mut().poll(context).map(|()| broken());
        }
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        self.rest.poll_recv(context).map(|piece| match piece? {
            Ok(bytes) => Some(Ok(bytes)),
            Err(why) => {
                self.breaking = Some(Box::pin(tokio::time::sleep(BREAK_AFTER)));
                let (_, why) = told(&why);
                let line =
                    if self.events { format!("event: error\ndata: {why}\n\n") } else { format!("{why}\n") };
                Some(Ok(line.into()))
            }
        })
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = match self.get_mut() {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Content::Pieces(pieces) => pieces.poll(context),
        };
        piece.map(|piece| piece.map(|bytes| bytes.map(Frame::data)))
    }
}
