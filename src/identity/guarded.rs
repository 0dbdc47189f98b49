//! A TLS stream that ends when its caller's access does.
//!
//! Reading and writing fail once the connection is cut, and when the client has not begun HTTP/2 in time: hyper waits for
//! that without a limit, and such a connection would hold up a graceful shutdown, too. A connection on which nothing has been under
//! way for long reads as closed by its client: hyper then ends it in good order. Tested in `tests/it/identity.rs`.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::accept::Reporter;
use super::connections::{Caller, Slot};
use super::refused::Refused;

/// Bytes that every HTTP/2 client sends first (RFC 9113, 3.4).
const PREFACE_BYTES: usize = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

/// The stream of one admitted connection. Dropping it closes the connection and gives its slot back.
pub struct GuardedIo {
    tls: TlsStream<TcpStream>,
    preface: Option<Preface>,
    idle_time: Duration,
    /// When to look next whether nothing is under way.
    idle: Pin<Box<Sleep>>,
    is_idle: bool,
    // One future for each direction, since each keeps the waker of the task that polled it last, and the two may differ.
    cut_for_read: Pin<Box<WaitForCancellationFutureOwned>>,
    cut_for_write: Pin<Box<WaitForCancellationFutureOwned>>,
    slot: Slot,
    reporter: Reporter,
}

struct Preface {
    missing: usize,
    deadline: Pin<Box<Sleep>>,
}

impl GuardedIo {
    pub(super) fn new(
        tls: TlsStream<TcpStream>,
        slot: Slot,
        preface_until: Instant,
        idle_time: Duration,
        reporter: Reporter,
    ) -> Self {
        let deadline = Box::pin(tokio::time::sleep_until(preface_until));
        Self {
            tls,
            preface: Some(Preface { missing: PREFACE_BYTES, deadline }),
            idle_time,
            idle: Box::pin(tokio::time::sleep(idle_time)),
            is_idle: false,
            cut_for_read: Box::pin(slot.cut.clone().cancelled_owned()),
            cut_for_write: Box::pin(slot.cut.clone().cancelled_owned()),
            slot,
            reporter,
        }
    }

    /// Who is at the other end.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.slot.caller
    }

    /// What reading and writing answer once the connection is cut.
    fn cut(&self) -> io::Error {
        // What the kernel still holds for this caller is thrown away instead of sent.
        let _ = self.tls.get_ref().0.set_zero_linger();
        io::Error::new(io::ErrorKind::ConnectionAborted, "certificate expired or access taken away")
    }

    /// Whether nothing has been under way for as long as that may be. If not, the task is woken when it is time to look again.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> bool {
        while !self.is_idle && self.idle.as_mut().poll(cx).is_ready() {
            let since = self.slot.caller.activity().idle_since().unwrap_or_else(Instant::now);
            let until = since + self.idle_time;
            self.is_idle = until <= Instant::now();
            if self.is_idle {
                tracing::debug!(peer = %self.slot.caller.peer, "connection without a request is closed");
            } else {
                self.idle.as_mut().reset(until);
            }
        }
        self.is_idle
    }

    fn poll_cut_for_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut_for_write.as_mut().poll(cx) {
            Poll::Ready(()) => Err(self.cut()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for GuardedIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.cut_for_read.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(this.cut()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.tls).poll_read(cx, buf);
        let Some(preface) = &mut this.preface else {
            return if read.is_pending() && this.poll_idle(cx) { Poll::Ready(Ok(())) } else { read };
        };
        preface.missing = preface.missing.saturating_sub(buf.filled().len() - before);
        if preface.missing == 0 || matches!(read, Poll::Ready(Err(_))) {
            this.preface = None;
        } else if read.is_pending() {
            ready!(preface.deadline.as_mut().poll(cx));
            this.preface = None;
            this.slot.cut.cancel();
            this.reporter.refused(this.slot.caller.peer, &Refused::Silent);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Refused::Silent)));
        }
        read
    }
}

impl AsyncWrite for GuardedIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_cut_for_write(cx)?;
        Pin::new(&mut this.tls).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_cut_for_write(cx)?;
        Pin::new(&mut this.tls).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_cut_for_write(cx)?;
        Pin::new(&mut this.tls).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_cut_for_write(cx)?;
        Pin::new(&mut this.tls).poll_shutdown(cx)
    }
}

impl fmt::Debug for GuardedIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedIo").field("caller", &self.slot.caller).finish_non_exhaustive()
    }
}
