use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::core::tests::watch;

struct Running {
    reloads: mpsc::Sender<Result<Watch, String>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), Error>>,
    address: SocketAddr,
}

/// A collector that is ready, or why it did not start.
async fn started(data: &Path) -> Result<Running, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (reloads, received) = mpsc::channel(1);
    let (ready, is_ready) = oneshot::channel();
    let stop = CancellationToken::new();
    let options = Options {
        data: data.to_owned(),
        listener,
        watch: watch(),
        reloads: received,
        resolve: Arc::new(|name| Err(format!("no {name}"))),
        ready,
    };
    let task = tokio::spawn(run(options, stop.clone()));
    match is_ready.await {
        Ok(()) => Ok(Running { reloads, stop, task, address }),
        Err(_) => Err(task.await.unwrap().unwrap_err()),
    }
}

fn client(data: &Path) -> Client {
    serde_json::from_slice(&std::fs::read(data.join(CLIENT_FILE)).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_starts_is_alone_leaves_its_address_and_stops_cleanly() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("new");
    let running = started(&folder).await.unwrap();
    let first = client(&folder);
    assert_eq!(first.url, format!("http://{}", running.address));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in [CLIENT_FILE, store::FILE, store::LOCK_FILE] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
    let refused = started(&folder).await.err().unwrap();
    assert!(refused.0.contains("in use by another collector"), "{refused}");
    running.reloads.send(Err("line 1".into())).await.unwrap();
    running.stop.cancel();
    running.task.await.unwrap().unwrap();

    let again = started(&folder).await.unwrap();
    assert_eq!(client(&folder).token, first.token, "a token that is valid is used again");
    again.stop.cancel();
    again.task.await.unwrap().unwrap();
    token::revoke(&folder, CLIENT_TOKEN, clock::now()).unwrap();
    let third = started(&folder).await.unwrap();
    assert_ne!(client(&folder).token, first.token);
    third.stop.cancel();
    third.task.await.unwrap().unwrap();
    let valid = token::list(&folder).unwrap().into_iter().filter(|one| one.revoked.is_none());
    assert_eq!(valid.count(), 1);
}
