//! A collector that takes what agents send, or answers as it is told.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use model::name::{AgentName, Region};
use model::result::ProbeResult;
use model::wire::{
    Alarm, AssignedProbe, Assignment, BATCH_UNPACKED_BYTES_MAX, Batch, CONTENT_TYPE_PACKED, Order,
    Receipt,
};
use tokio::sync::broadcast;
use url::Url;

/// What a batch is answered with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Take,
    /// Takes it, but the agent never hears so.
    TakeAndClose,
    Close,
    Garbage,
    Status(u16, Option<u32>),
}

#[derive(Default)]
struct State {
    probes: Vec<AssignedProbe>,
    version: u64,
    answers: VecDeque<Answer>,
    refuse: bool,
    /// The highest seq that was taken.
    cursor: u64,
    results: Vec<ProbeResult>,
    alarms: Vec<Alarm>,
    incarnations: BTreeSet<u64>,
    batches: usize,
    fetches: usize,
    unchanged: usize,
    streams: usize,
}

#[derive(Clone)]
pub(super) struct Collector {
    state: Arc<Mutex<State>>,
    orders: broadcast::Sender<Order>,
    address: std::net::SocketAddr,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}

impl Collector {
    pub(super) async fn start(probes: Vec<AssignedProbe>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { probes, version: 1, ..State::default() };
        let (orders, _) = broadcast::channel(16);
        let collector = Self { state: Arc::new(Mutex::new(state)), orders, address };
        let serving = collector.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let collector = serving.clone();
                tokio::spawn(async move {
                    let answer = service_fn(|request| collector.answered(request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                });
            }
        });
        collector
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn url(&self) -> Url {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(super) fn assign(&self, probes: Vec<AssignedProbe>) {
        let mut state = self.state();
        state.probes = probes;
        state.version += 1;
        drop(state);
        let _ = self.orders.send(Order::Reload);
    }

    pub(super) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().answers.extend(answers);
    }

    pub(super) fn answers_left(&self) -> usize {
        self.state().answers.len()
    }

    /// From now on every connection ends without an answer.
    pub(super) fn refuse(&self, refuse: bool) {
        self.state().refuse = refuse;
    }

    pub(super) fn order(&self, order: Order) {
        self.orders.send(order).unwrap();
    }

    pub(super) fn results(&self) -> Vec<ProbeResult> {
        self.state().results.clone()
    }

    pub(super) fn alarms(&self) -> Vec<Alarm> {
        self.state().alarms.clone()
    }

    pub(super) fn incarnations(&self) -> BTreeSet<u64> {
        self.state().incarnations.clone()
    }

    pub(super) fn batches(&self) -> usize {
        self.state().batches
    }

    pub(super) fn fetches(&self) -> usize {
        self.state().fetches
    }

    pub(super) fn unchanged(&self) -> usize {
        self.state().unchanged
    }

    pub(super) fn streams(&self) -> usize {
        self.state().streams
    }

    async fn answered(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
        if self.state().refuse {
            return Err("closed".into());
        }
        assert_eq!(request.headers()["authorization"], "Bearer wpa_test");
        match request.uri().path() {
            "/v1/assignment" => Ok(self.assignment(&request)),
            "/v1/orders" => Ok(self.stream()),
            "/v1/results" => self.batch(request).await,
            path => panic!("{path}"),
        }
    }

    fn assignment(&self, request: &Request<Incoming>) -> Response<Body> {
        let mut state = self.state();
        state.fetches += 1;
        let tag = format!("\"v{}\"", state.version);
        if request
            .headers()
            .get("if-none-match")
            .is_some_and(|known| known.as_bytes() == tag.as_bytes())
        {
            state.unchanged += 1;
            return Response::builder().status(304).body(full("")).unwrap();
        }
        let assignment = Assignment {
            agent: AgentName::new("a1").unwrap(),
            region: Region::new("eu").unwrap(),
            probes: state.probes.clone(),
            anchors: vec![],
        };
        let body = serde_json::to_vec(&assignment).unwrap();
        Response::builder().header("etag", tag).body(full(body)).unwrap()
    }

    fn stream(&self) -> Response<Body> {
        self.state().streams += 1;
        let orders = stream::unfold(self.orders.subscribe(), |mut orders| async move {
            let order = orders.recv().await.ok()?;
            let line = format!("{}\n", serde_json::to_string(&order).unwrap());
            Some((Ok(Frame::data(Bytes::from(line))), orders))
        });
        Response::new(StreamBody::new(orders).boxed_unsync())
    }

    async fn batch(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
        assert_eq!(request.headers()["content-type"], CONTENT_TYPE_PACKED);
        let packed = request.into_body().collect().await?.to_bytes();
        let bytes = zstd::bulk::decompress(&packed, BATCH_UNPACKED_BYTES_MAX)?;
        let batch = Batch::from_protobuf(&bytes).unwrap();
        assert!(batch.unreadable.is_empty());
        let mut state = self.state();
        state.batches += 1;
        let answer = state.answers.pop_front().unwrap_or(Answer::Take);
        match answer {
            Answer::Close => return Err("closed".into()),
            Answer::Garbage => return Ok(Response::new(full("<html>"))),
            Answer::Status(status, wait) => {
                let mut builder = Response::builder().status(status);
                if let Some(wait) = wait {
                    builder = builder.header("retry-after", wait);
                }
                return Ok(builder.body(full(""))?);
            }
            Answer::Take | Answer::TakeAndClose => {}
        }
        state.incarnations.insert(batch.incarnation);
        state.alarms.extend(batch.alarms);
        for result in batch.results {
            if result.seq > state.cursor {
                state.cursor = result.seq;
                state.results.push(result);
            }
        }
        if matches!(answer, Answer::TakeAndClose) {
            return Err("closed".into());
        }
        let receipt = Receipt {
            highest_seq: state.cursor,
            now_ms: crate::run::wall().ms(),
            assignment: format!("v{}", state.version),
            rejected: vec![],
        };
        Ok(Response::new(full(serde_json::to_vec(&receipt)?)))
    }
}
