//! In builds without TLS: no connector can be made.

use super::TlsFiles;
use super::connection::Duplex;
use std::convert::Infallible;
use std::io;
use tokio::net::TcpStream;

/// Has no values.
#[derive(Clone, Debug)]
pub(super) struct Connector(Infallible);

impl Connector {
    pub(super) fn new(_files: &TlsFiles) -> Result<Self, String> {
        Err("this build has no TLS".to_owned())
    }

    pub(super) async fn connect(&self, _host: &str, _stream: TcpStream) -> io::Result<Box<dyn Duplex>> {
        match self.0 {}
    }
}
