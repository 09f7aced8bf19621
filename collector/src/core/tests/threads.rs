//! The core on its own thread, asked through the door that everybody uses.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::time::Timestamp;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::super::{Clock, Setup, start};
use super::{START, batch, caller, result, watch};
use crate::handle::{Handle, Refusal, ResultQuery};
use crate::metrics::in_seconds;
use crate::metrics::table::ALL;
use crate::store::Error;
use model::name::ProbeName;

async fn running(
    data: &Path,
    clock: Clock,
) -> (Handle, CancellationToken, oneshot::Receiver<Result<(), Error>>) {
    let (handle, commands) = Handle::new();
    let stop = CancellationToken::new();
    let setup = Setup {
        data: data.to_owned(),
        watch: watch(),
        handle: handle.clone(),
        commands,
        clock,
        stop: stop.clone(),
    };
    let ended = start(setup).await.unwrap();
    (handle, stop, ended)
}

fn still() -> Clock {
    Arc::new(|| Timestamp::from_ms(START))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_many_agents_share_commits_and_survive_a_stop() {
    let data = tempfile::tempdir().unwrap();
    let (handle, stop, ended) = running(data.path(), still()).await;
    let mut sent = Vec::new();
    for incarnation in 0..200 {
        let handle = handle.clone();
        sent.push(tokio::spawn(async move {
            let mut batch = batch("eu", vec![result("shop", "eu", 1, START, true)]);
            batch.incarnation = incarnation;
            handle.ingest(caller("eu"), Box::new(batch)).await
        }));
    }
    for receipt in sent {
        assert_eq!(receipt.await.unwrap().unwrap().highest_seq, 1);
    }
    let view = handle.view().await.unwrap();
    let counter = |name: &str| view.counters.iter().find(|(n, ..)| *n == name).unwrap().2;
    assert!(counter("commits_total") < 100, "{} commits", counter("commits_total"));
    stop.cancel();
    ended.await.unwrap().unwrap();
    assert_eq!(handle.view().await.err(), Some(Refusal::Stopping));

    let (handle, stop, ended) = running(data.path(), still()).await;
    let query = ResultQuery {
        probe: ProbeName::new("shop").unwrap(),
        from: Timestamp::MIN,
        to: Timestamp::MAX,
        after: None,
        limit: 1000,
    };
    assert_eq!(handle.results(query).await.unwrap().results.len(), 200);
    stop.cancel();
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn every_figure_of_the_core_stands_in_the_table_of_metrics() {
    let data = tempfile::tempdir().unwrap();
    let (handle, stop, ended) = running(data.path(), still()).await;
    handle.ingest(caller("eu"), Box::new(batch("eu", Vec::new()))).await.unwrap();
    for (name, label, value) in &handle.view().await.unwrap().counters {
        let (shown, _) = in_seconds(name, *value);
        let metric = ALL.iter().find(|metric| metric.name == shown);
        let labels = metric.map(|metric| metric.labels.len());
        assert_eq!(labels, Some(usize::from(!label.is_empty())), "{shown}");
    }
    stop.cancel();
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_panic_ends_the_core_with_an_error() {
    let data = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let clock: Clock = Arc::new(move || {
        assert!(!switch.load(Ordering::Relaxed), "the clock is broken");
        Timestamp::from_ms(START)
    });
    let (handle, _stop, ended) = running(data.path(), clock).await;
    handle.ready().await.unwrap();
    broken.store(true, Ordering::Relaxed);
    let refused = handle.ingest(caller("eu"), Box::new(batch("eu", Vec::new()))).await;
    assert_eq!(refused.err(), Some(Refusal::Stopping));
    let fault = ended.await.unwrap().unwrap_err().to_string();
    assert!(fault.contains("the core panicked"), "{fault}");
    // What was durable is there for the next one.
    let (handle, stop, ended) = running(data.path(), still()).await;
    handle.ready().await.unwrap();
    stop.cancel();
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_store_in_use_is_an_error_at_the_start() {
    let data = tempfile::tempdir().unwrap();
    let (_handle, stop, ended) = running(data.path(), still()).await;
    let (handle, commands) = Handle::new();
    let setup = Setup {
        data: data.path().to_owned(),
        watch: watch(),
        handle,
        commands,
        clock: still(),
        stop: stop.clone(),
    };
    let fault = start(setup).await.unwrap_err().to_string();
    assert!(fault.contains("in use by another collector"), "{fault}");
    stop.cancel();
    ended.await.unwrap().unwrap();
}
