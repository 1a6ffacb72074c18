//! The answers to requests.

use crate::format::Format;
use crate::monitor::Monitor;
use crate::page;
use crate::source::{Content, Reply};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, VARY};
use hyper::{Method, Request, Response, StatusCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a page of metrics is cached: clients that request without pause cost little more than one request does.
pub(crate) const PAGE_AGE: Duration = Duration::from_millis(100);

const TEXT: &str = "text/plain; charset=utf-8";
const JSON_LINES: &str = "application/x-ndjson";
const INDEX: &str = "/metrics\n/healthz\n/readyz\n";

/// Answers requests.
#[derive(Debug)]
pub(crate) struct Answers {
    monitor: Arc<Monitor>,
    /// The last page of each format, in the order of [`Format::ALL`].
    pages: Mutex<[Option<(Instant, Bytes)>; Format::ALL.len()]>,
}

impl Answers {
    pub(crate) fn new(monitor: Arc<Monitor>) -> Self {
        Self { monitor, pages: Mutex::default() }
    }

    /// The answer. The body of the request is not read.
    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Response<Content> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/metrics" => self.metrics(request),
            "/healthz" => match self.monitor.stuck() {
                None => plain(StatusCode::OK, "alive\n"),
                Some(reason) => plain(StatusCode::SERVICE_UNAVAILABLE, reason + "\n"),
            },
            "/readyz" => match self.monitor.unready() {
                reasons if reasons.is_empty() => {
                    plain(StatusCode::OK, "ready\n".to_owned() + &self.monitor.remarks())
                }
                reasons => plain(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n"),
            },
            "/" => plain(StatusCode::OK, INDEX.to_owned() + &self.monitor.paths()),
            path => self.page_of_part(path, request.uri().query().unwrap_or_default()),
        }
    }

    /// A page of another part of the daemon.
    fn page_of_part(&self, path: &str, query: &str) -> Response<Content> {
        match self.monitor.pages(path).map_or(Reply::NotFound, |pages| pages.answer(path, query)) {
            Reply::NotFound => plain(StatusCode::NOT_FOUND, "not found; / lists what there is\n"),
            Reply::Invalid(what) => plain(StatusCode::BAD_REQUEST, what + "\n"),
            Reply::Lines(pieces) => respond_with(StatusCode::OK, JSON_LINES, Content::Pieces(pieces)),
        }
    }

    fn metrics<B>(&self, request: &Request<B>) -> Response<Content> {
        let accepts = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let format = Format::accepted(&accepts.collect::<Vec<_>>().join(","));
        let mut response = respond(StatusCode::OK, format.content_type(), self.page(format));
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
        response
    }

    fn page(&self, format: Format) -> Bytes {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = match format {
            Format::OpenMetrics => &mut pages[0],
            Format::Prometheus => &mut pages[1],
        };
        match slot {
            Some((made, page)) if made.elapsed() < PAGE_AGE => page.clone(),
            _ => {
                let page = Bytes::from(page::write(&self.monitor, format));
                *slot = Some((Instant::now(), page.clone()));
                page
            }
        }
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Content> {
    respond(status, TEXT, text.into())
}

fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Content> {
    respond_with(status, content_type, Content::Whole(body))
}

fn respond_with(status: StatusCode, content_type: &'static str, body: Content) -> Response<Content> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Build;

    fn answer(answers: &Answers, method: Method, path: &str, accept: &str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(path).header(ACCEPT, accept).body(()).unwrap();
        let response = answers.answer(&request);
        let content_type = response.headers()[CONTENT_TYPE].to_str().unwrap();
        (response.status(), content_type.to_owned())
    }

    #[test]
    fn each_path_has_its_answer() {
        let monitor = Arc::new(Monitor::new(Build::default()));
        let answers = Answers::new(Arc::clone(&monitor));
        let status = |path| answer(&answers, Method::GET, path, "*/*").0;
        assert_eq!(
            (status("/"), status("/metrics"), status("/healthz")),
            (StatusCode::OK, StatusCode::OK, StatusCode::OK)
        );
        assert_eq!((status("/readyz"), status("/x")), (StatusCode::SERVICE_UNAVAILABLE, StatusCode::NOT_FOUND));
        monitor.running();
        assert_eq!((status("/readyz"), status("/readyz?verbose")), (StatusCode::OK, StatusCode::OK));
        assert_eq!(answer(&answers, Method::POST, "/metrics", "*/*").0, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer(&answers, Method::HEAD, "/metrics", "*/*").0, StatusCode::OK);
    }

    #[test]
    fn the_content_type_is_that_of_the_format() {
        let answers = Answers::new(Arc::new(Monitor::new(Build::default())));
        let content_type = |accept| answer(&answers, Method::GET, "/metrics", accept).1;
        assert_eq!(content_type("*/*"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
        assert_eq!(content_type("text/plain"), "text/plain; version=0.0.4; charset=utf-8");
    }
}
