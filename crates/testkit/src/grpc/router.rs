//! A router that dials out.

use super::codec::Octets;
use crate::certificates::Certified;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

/// How long everything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection of a router.
#[derive(Debug)]
pub struct Router {
    runtime: Runtime,
    channel: Channel,
}

/// A stream of messages of a router.
#[derive(Debug)]
pub struct Stream<'a> {
    router: &'a Router,
    sender: mpsc::Sender<Vec<u8>>,
    end: JoinHandle<Result<(), Status>>,
}

impl Router {
    /// Connects in plain text.
    ///
    /// # Panics
    /// If that is not possible.
    pub fn connect(address: SocketAddr) -> Self {
        let connected = Self::try_connect(address, None);
        connected.unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
    }

    /// Connects with TLS: the certificate of the authority of the server's certificate, whose name is `localhost`, and the certificate of
    /// the router.
    ///
    /// # Errors
    /// The connection fails.
    pub fn connect_tls(address: SocketAddr, authority: &str, own: Option<&Certified>) -> Result<Self, String> {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority)).domain_name("localhost");
        let tls = match own {
            Some(own) => tls.identity(Identity::from_pem(&own.certificate, &own.key)),
            None => tls,
        };
        Self::try_connect(address, Some(tls))
    }

    fn try_connect(address: SocketAddr, tls: Option<ClientTlsConfig>) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let text = |error: tonic::transport::Error| format!("{error:?}");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}")).map_err(text)?;
        let endpoint = match tls {
            Some(tls) => endpoint.tls_config(tls).map_err(text)?,
            None => endpoint,
        };
        let channel = runtime.block_on(endpoint.connect_timeout(PATIENCE).connect()).map_err(text)?;
        Ok(Self { runtime, channel })
    }

    /// Begins a stream of the method at this path, such as `/mdt_dialout.gRPCMdtDialout/MdtDialout`.
    pub fn stream(&self, path: &'static str) -> Stream<'_> {
        self.begin(path, false)
    }

    /// As [`Router::stream`], with messages that are compressed by gzip.
    pub fn compressed_stream(&self, path: &'static str) -> Stream<'_> {
        self.begin(path, true)
    }

    fn begin(&self, path: &'static str, is_compressed: bool) -> Stream<'_> {
        let (sender, receiver) = mpsc::channel::<Vec<u8>>(1);
        let mut client = Grpc::new(self.channel.clone());
        if is_compressed {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        let end = self.runtime.spawn(async move {
            client.ready().await.map_err(|error| Status::unavailable(format!("{error:?}")))?;
            let requests = Request::new(ReceiverStream::new(receiver));
            let path = hyper::http::uri::PathAndQuery::from_static(path);
            let mut answers = client.streaming(requests, path, Octets).await?.into_inner();
            while answers.message().await?.is_some() {}
            Ok(())
        });
        Stream { router: self, sender, end }
    }
}

impl Stream<'_> {
    /// Sends a message. False if the stream has ended, or if it does not take the message within this time, as when the collector is busy.
    pub fn offer(&self, message: &[u8], patience: Duration) -> bool {
        let sent = async { tokio::time::timeout(patience, self.sender.send(message.to_vec())).await };
        matches!(self.router.runtime.block_on(sent), Ok(Ok(())))
    }

    /// Sends a message.
    ///
    /// # Panics
    /// If the stream has ended, or does not take it.
    pub fn send(&self, message: &[u8]) {
        assert!(self.offer(message, PATIENCE), "the collector does not take a message");
    }

    /// Ends the stream, and returns what the collector says.
    ///
    /// # Errors
    /// The status, unless it is OK.
    ///
    /// # Panics
    /// If the collector does not answer.
    pub fn finish(self) -> Result<(), Status> {
        drop(self.sender);
        let end = async { tokio::time::timeout(PATIENCE, self.end).await };
        let ended = self.router.runtime.block_on(end).expect("the collector does not end the stream");
        ended.expect("the task of the stream does not panic")
    }

    /// Waits until the collector ends the stream.
    ///
    /// # Errors
    /// The status, unless it is OK.
    ///
    /// # Panics
    /// If the collector does not end it.
    pub fn ended(self) -> Result<(), Status> {
        let end = async { tokio::time::timeout(PATIENCE, self.end).await };
        let ended = self.router.runtime.block_on(end).expect("the collector does not end the stream");
        ended.expect("the task of the stream does not panic")
    }

    /// Resets the stream.
    pub fn reset(self) {
        self.end.abort();
    }
}
