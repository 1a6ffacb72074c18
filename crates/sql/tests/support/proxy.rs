//! A proxy between a client and a server that breaks their connection around COMMIT.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

/// What happens when a client sends COMMIT.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cut {
    /// It is forwarded.
    Never,
    /// The connection breaks before the server receives it.
    Before,
    /// The connection breaks before the client receives the answer.
    After,
    /// The connection to the client breaks; the server does not receive it, and keeps its connection and the transaction.
    Held,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    cut: Arc<AtomicU8>,
}

impl Proxy {
    pub(crate) fn new(host: &str, port: u16) -> Self {
        let server = (host.to_owned(), port);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicU8::new(0));
        let shared = Arc::clone(&cut);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect((server.0.as_str(), server.1)) else { continue };
                let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let shared = Arc::clone(&shared);
                thread::spawn(move || upstream(client, server, &shared));
                thread::spawn(move || downstream(from_server, to_client));
            }
        });
        Self { port, cut }
    }

    /// Applies to the next COMMIT only.
    pub(crate) fn cut(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }
}

fn upstream(mut client: TcpStream, mut server: TcpStream, cut: &AtomicU8) {
    let mut bytes = [0; 1 << 16];
    while let Ok(read @ 1..) = client.read(&mut bytes) {
        let commits = bytes[..read].windows(6).any(|word| word == b"COMMIT");
        let cut = if commits { cut.swap(0, Ordering::SeqCst) } else { 0 };
        if cut == Cut::Before as u8 {
            break;
        }
        if cut == Cut::Held as u8 {
            let _ = client.shutdown(Shutdown::Both);
            return;
        }
        if cut == Cut::After as u8 {
            let _ = client.shutdown(Shutdown::Both);
        }
        if server.write_all(&bytes[..read]).is_err() {
            break;
        }
        if cut == Cut::After as u8 {
            // The server receives the whole COMMIT.
            let _ = server.shutdown(Shutdown::Write);
            return;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

fn downstream(mut server: TcpStream, mut client: TcpStream) {
    let mut bytes = [0; 1 << 16];
    while let Ok(read @ 1..) = server.read(&mut bytes) {
        let _ = client.write_all(&bytes[..read]);
    }
    let _ = client.shutdown(Shutdown::Both);
}
