//! A gNMI target: it serves `Subscribe`.

use super::codec::Octets;
use crate::certificates::Certified;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use telemetry_gpb::messages::gnmi::SubscribeRequest;
use telemetry_gpb::messages::gnmi::subscribe_request::Request as Asked;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_stream::wrappers::ReceiverStream;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};

/// What a target does after its messages.
#[derive(Clone, Debug)]
pub enum Then {
    /// It sends nothing more, or the messages again when it is polled.
    Wait,
    /// It ends the subscription.
    End,
    /// It ends the subscription with an error.
    Fail(Status),
}

/// A target that runs until it is dropped.
#[derive(Debug)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
    // Dropping it ends the tasks.
    _runtime: Runtime,
}

#[derive(Debug)]
struct State {
    /// A user and a password that clients must know.
    credentials: Option<(String, String)>,
    messages: Vec<Vec<u8>>,
    then: Then,
    requests: Mutex<Vec<SubscribeRequest>>,
}

impl Target {
    /// Starts a target in plain text, which sends these messages on each subscription.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn start(messages: Vec<Vec<u8>>, then: Then) -> Self {
        Self::run(messages, then, None, None)
    }

    /// Starts a target with TLS, for clients that know user and password and have a certificate of this authority.
    ///
    /// # Panics
    /// If it cannot listen, or a certificate is not valid.
    pub fn start_tls(
        messages: Vec<Vec<u8>>,
        own: &Certified,
        credentials: (&str, &str),
        authority: Option<&str>,
    ) -> Self {
        let (user, password) = credentials;
        let credentials = Some((user.to_owned(), password.to_owned()));
        Self::run(messages, Then::Wait, credentials, Some(acceptor(own, authority)))
    }

    fn run(
        messages: Vec<Vec<u8>>,
        then: Then,
        credentials: Option<(String, String)>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be created");
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a port is free");
        let address = listener.local_addr().expect("the socket is bound");
        let state = Arc::new(State { credentials, messages, then, requests: Mutex::default() });
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (tls, shared) = (tls.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    match tls {
                        None => serve(socket, shared).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                serve(socket, shared).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, state, _runtime: runtime }
    }

    /// The requests that arrived.
    pub fn requests(&self) -> Vec<SubscribeRequest> {
        self.state.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn acceptor(own: &Certified, authority: Option<&str>) -> TlsAcceptor {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.expect("ring has the versions");
    let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate in PEM");
    let builder = match authority {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate(authority)).expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("there is an authority"))
        }
    };
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key in PEM");
    let mut config = builder
        .with_single_cert(vec![certificate(&own.certificate)], key)
        .expect("the certificate belongs to the key");
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<State>) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let state = Arc::clone(&state);
        async move {
            let is_there = request.uri().path() == "/gnmi.gNMI/Subscribe";
            let response = if is_there {
                Grpc::new(Octets).streaming(Subscribe(state), request).await
            } else {
                Status::unimplemented("no such method").into_http()
            };
            Ok::<_, Infallible>(response)
        }
    });
    let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
}

/// The method.
struct Subscribe(Arc<State>);

impl StreamingService<Vec<u8>> for Subscribe {
    type Response = Vec<u8>;
    type ResponseStream = ReceiverStream<Result<Vec<u8>, Status>>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Self::ResponseStream>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<Vec<u8>>>) -> Self::Future {
        let state = Arc::clone(&self.0);
        Box::pin(async move {
            if let Some((user, password)) = &state.credentials {
                let value = |name| request.metadata().get(name).and_then(|value| value.to_str().ok());
                if value("username") != Some(user) || value("password") != Some(password) {
                    return Err(Status::unauthenticated("who are you?"));
                }
            }
            let (sender, receiver) = mpsc::channel(16);
            tokio::spawn(answer(request.into_inner(), sender, state));
            Ok(Response::new(ReceiverStream::new(receiver)))
        })
    }
}

async fn answer(
    mut requests: Streaming<Vec<u8>>,
    sender: mpsc::Sender<Result<Vec<u8>, Status>>,
    state: Arc<State>,
) {
    let mut is_first = true;
    while let Ok(Some(request)) = requests.message().await {
        let request = SubscribeRequest::decode(&*request).unwrap_or_default();
        let is_poll = matches!(request.request, Some(Asked::Poll(_)));
        state.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        if is_first || is_poll {
            for message in &state.messages {
                if sender.send(Ok(message.clone())).await.is_err() {
                    return;
                }
            }
        }
        is_first = false;
        match &state.then {
            Then::Wait => {}
            Then::End => return,
            Then::Fail(status) => {
                let _ = sender.send(Err(status.clone())).await;
                return;
            }
        }
    }
}
