//! The spool on a disk that fails, fills and forgets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use model::name::{ProbeName, Region};
use model::result::Outcome;

use super::*;
use crate::disk::Folder;

fn result(n: i64) -> ProbeResult {
    ProbeResult {
        probe: ProbeName::new("shop").unwrap(),
        region: Region::new("eu").unwrap(),
        seq: 0,
        slot: Timestamp::from_ms(n),
        started: Timestamp::from_ms(n),
        interval: Millis::from_secs(60),
        outcome: Outcome::Passed,
        detail: String::new(),
        attempts: 1,
        duration_us: 1,
        phases: vec![],
        values: BTreeMap::new(),
        clock: None,
        evidence: None,
    }
}

/// A disk in memory. What was appended but not synced is lost, or half of it, at a crash.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    files: BTreeMap<String, (Vec<u8>, usize)>,
    /// Fails the n-th write from now.
    fail_in: Option<usize>,
    kind: Option<io::ErrorKind>,
    /// Bytes beyond which appends fail for want of room.
    room: Option<usize>,
}

impl Inner {
    fn write(&mut self, more: usize) -> io::Result<()> {
        let used: usize = self.files.values().map(|(bytes, _)| bytes.len()).sum();
        if self.room.is_some_and(|room| used + more > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        match &mut self.fail_in {
            Some(0) => {
                self.fail_in = None;
                Err(self.kind.unwrap_or(io::ErrorKind::Other).into())
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Disk {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// The power goes: of what was not synced only `keep` in 4 parts stay.
    fn crash(&self, keep: usize) {
        for (bytes, synced) in self.inner().files.values_mut() {
            let torn = (bytes.len() - *synced) * keep / 4;
            bytes.truncate(*synced + torn);
            *synced = bytes.len();
        }
    }
}

impl Files for Disk {
    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.inner().files.keys().cloned().collect())
    }
    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let inner = self.inner();
        inner
            .files
            .get(name)
            .map(|file| file.0.clone())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        let fails = inner.write(bytes.len());
        let full = inner.room.is_some();
        let file = inner.files.entry(name.into()).or_default();
        match fails {
            Ok(()) => file.0.extend_from_slice(bytes),
            // A part is written before the disk refuses.
            Err(_) if !full => file.0.extend_from_slice(&bytes[..bytes.len() / 3]),
            Err(_) => {}
        }
        fails
    }
    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.write(0)?;
        let file = inner.files.entry(name.into()).or_default();
        file.1 = file.0.len();
        Ok(())
    }
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        inner.write(bytes.len())?;
        inner.files.insert(name.into(), (bytes.to_vec(), bytes.len()));
        Ok(())
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.write(0)?;
        inner.files.remove(name);
        Ok(())
    }
}

const SMALL: Limits = Limits { bytes: 4000, age: Millis::from_secs(100), segment: 400 };

fn open(disk: &Disk, limits: Limits) -> Spool {
    Spool::open(Box::new(disk.clone()), limits, || 77).unwrap()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn add(spool: &mut Spool, count: i64) {
    for n in 0..count {
        spool.add(at(0), &mut result(n));
        spool.sync(at(0));
    }
}

fn seqs(spool: &mut Spool) -> Vec<u64> {
    spool.portion(1000, usize::MAX).results.iter().map(|result| result.seq).collect()
}

fn all(from: u64, to: u64) -> Vec<u64> {
    (from..=to).collect()
}

#[test]
fn results_come_back_in_order_until_their_receipt_and_over_restarts() {
    let limits = Limits { bytes: 1 << 20, ..SMALL };
    let disk = Disk::default();
    let mut spool = open(&disk, limits);
    assert_eq!(spool.incarnation(), 77);
    add(&mut spool, 20);
    assert_eq!(seqs(&mut spool), all(1, 20));
    assert_eq!(spool.portion(3, usize::MAX).waiting, 17);
    assert!(spool.acknowledge(7, &[]));
    assert!(!spool.acknowledge(7, &[]));
    assert!(!spool.acknowledge(3, &[]));
    assert_eq!((seqs(&mut spool), spool.waiting()), (all(8, 20), 13));
    for _ in 0..3 {
        drop(spool);
        disk.crash(0);
        spool = open(&disk, limits);
        assert_eq!((seqs(&mut spool), spool.incarnation()), (all(8, 20), 77));
    }
    add(&mut spool, 1);
    assert_eq!(seqs(&mut spool), all(8, 21));
    assert!(spool.acknowledge(99, &[]));
    assert_eq!((spool.waiting(), spool.bytes()), (0, 0));
    drop(spool);
    let mut spool = open(&disk, limits);
    add(&mut spool, 1);
    assert_eq!(seqs(&mut spool), [22], "no seq is given twice");
}

#[test]
fn a_portion_has_a_bound_of_bytes_but_at_least_one_result() {
    let mut spool = open(&Disk::default(), Limits { bytes: 1 << 20, ..SMALL });
    add(&mut spool, 10);
    assert_eq!(spool.portion(10, 1).results.len(), 1);
    assert_eq!(spool.portion(0, 1).results.len(), 0);
    let second = spool.portion(2, usize::MAX).results.remove(1);
    let one = model::wire::result_to_protobuf(&second).len();
    assert_eq!(spool.portion(10, one * 3 + 1).results.len(), 3);
}

#[test]
fn a_torn_tail_costs_only_what_was_never_synced() {
    for keep in 0..4 {
        let disk = Disk::default();
        let mut spool = open(&disk, SMALL);
        add(&mut spool, 3);
        // Appended by hand as a program would that dies before its fsync.
        let mut bytes = Vec::new();
        Record { seq: 4, at: at(0), payload: vec![7; 50] }.write(&mut bytes);
        let segment =
            disk.inner().files.keys().find(|name| name.ends_with(".seg")).unwrap().clone();
        disk.clone().append(&segment, &bytes).unwrap();
        drop(spool);
        disk.crash(keep);
        let mut spool = open(&disk, SMALL);
        assert_eq!(seqs(&mut spool), all(1, 3), "{keep}");
        add(&mut spool, 2);
        assert_eq!(seqs(&mut spool), all(1, 5), "{keep}");
    }
}

#[test]
fn beyond_its_bounds_the_oldest_go_and_the_gap_is_a_fact() {
    for (age, why) in [(false, "spool full"), (true, "results too old")] {
        let disk = Disk::default();
        let mut spool = open(&disk, SMALL);
        add(&mut spool, if age { 10 } else { 200 });
        if age {
            spool.sync(at(100_001));
        }
        let got = seqs(&mut spool);
        let first = got.first().copied().unwrap_or(11);
        let gaps = vec![Gap { from_seq: 1, to_seq: first - 1, why: why.into() }];
        assert_eq!(spool.portion(0, 0).gaps, gaps);
        assert!(spool.bytes() <= SMALL.bytes + SMALL.segment);
        let lost = spool.dropped.full + spool.dropped.old;
        assert_eq!(lost, first - 1);
        // The fact outlives a restart, and ends with the receipt of the batch that told it.
        drop(spool);
        let mut spool = open(&disk, SMALL);
        assert_eq!(spool.portion(0, 0).gaps, gaps);
        spool.acknowledge(0, &gaps);
        assert_eq!(spool.portion(0, 0).gaps, []);
        add(&mut spool, 1);
        let next = if age { 11 } else { 201 };
        assert_eq!(seqs(&mut spool).last(), Some(&next));
    }
}

/// Adds, crashes and reopens with the n-th write failing; true once no write failed any more.
fn survive(n: usize, kind: io::ErrorKind, keep: usize) -> bool {
    let disk = Disk::default();
    let mut spool = open(&disk, SMALL);
    disk.inner().kind = Some(kind);
    disk.inner().fail_in = Some(n);
    let mut durable = Vec::new();
    for round in 0..12 {
        spool.add(at(0), &mut result(round));
        spool.sync(at(0));
        if spool.unwritten() == 0 {
            durable = seqs(&mut spool);
        }
        if round == 5 {
            let told = spool.portion(0, 0).gaps;
            spool.acknowledge(durable[durable.len() / 2], &told);
            durable = seqs(&mut spool);
        }
    }
    let failed = disk.inner().fail_in.is_none();
    disk.inner().fail_in = None;
    let next = 13 - spool.unwritten() as u64;
    let dropped = spool.dropped;
    drop(spool);
    disk.crash(keep);
    let mut spool = open(&disk, SMALL);
    let got = seqs(&mut spool);
    let lost = durable.iter().filter(|seq| !got.contains(seq)).count() as u64;
    assert_eq!(lost, 0, "{n} {kind:?}: {durable:?} became {got:?}, {dropped:?}");
    assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "{n}: {got:?}");
    add(&mut spool, 1);
    // What was written but not synced may have stayed.
    let last = seqs(&mut spool).last().copied().unwrap();
    assert!((next..=13).contains(&last), "{n} {kind:?}: {last}");
    !failed
}

#[test]
fn whichever_write_fails_nothing_that_was_durable_is_lost() {
    for kind in [io::ErrorKind::Other, io::ErrorKind::StorageFull] {
        for keep in [0, 2, 4] {
            let done = (0..500).find(|n| survive(*n, kind, keep));
            assert!(done.is_some_and(|n| n > 20), "{done:?}");
        }
    }
}

#[test]
fn a_full_disk_drops_the_oldest_and_goes_on() {
    let disk = Disk::default();
    let mut spool = open(&disk, Limits { bytes: 1 << 20, ..SMALL });
    disk.inner().room = Some(3000);
    add(&mut spool, 100);
    let got = seqs(&mut spool);
    assert_eq!(got.last(), Some(&100));
    assert_eq!(spool.dropped.disk, got[0] - 1);
    assert!(spool.faults > 0);
    let gaps = spool.portion(0, 0).gaps;
    assert_eq!((gaps[0].from_seq, gaps[gaps.len() - 1].to_seq), (1, got[0] - 1));
}

#[test]
fn what_the_disk_refuses_waits_in_memory_and_has_a_bound() {
    let disk = Disk::default();
    let mut spool = open(&disk, SMALL);
    disk.inner().room = Some(0);
    for n in 0..PENDING_MAX as i64 + 5 {
        spool.add(at(0), &mut result(n));
    }
    spool.sync(at(0));
    assert_eq!((spool.unwritten(), spool.dropped.disk), (PENDING_MAX, 5));
    assert!(seqs(&mut spool).is_empty());
    disk.inner().room = None;
    spool.sync(at(0));
    assert_eq!(spool.unwritten(), 0);
}

#[test]
fn a_damaged_segment_costs_its_own_results_and_says_so() {
    let limits = Limits { bytes: 1 << 20, ..SMALL };
    let disk = Disk::default();
    let mut spool = open(&disk, limits);
    add(&mut spool, 30);
    drop(spool);
    let segments: Vec<String> =
        disk.inner().files.keys().filter(|name| name.ends_with(".seg")).cloned().collect();
    disk.inner().files.get_mut(&segments[1]).unwrap().0[100] ^= 1;
    let mut spool = open(&disk, limits);
    let got = seqs(&mut spool);
    let gaps = spool.portion(0, 0).gaps;
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let lost: Vec<u64> = (gaps[0].from_seq..=gaps[0].to_seq).collect();
    let mut both = [got, lost].concat();
    both.sort_unstable();
    assert_eq!(both, all(1, 30));
}

#[test]
fn without_its_state_the_spool_goes_on_with_the_incarnation_of_its_segments() {
    let disk = Disk::default();
    let mut spool = open(&disk, Limits { bytes: 1 << 20, ..SMALL });
    add(&mut spool, 5);
    drop(spool);
    for state in [None, Some(b"{broken".to_vec())] {
        disk.inner().files.remove("state");
        if let Some(bytes) = state {
            disk.inner().files.insert("state".into(), (bytes, 7));
        }
        let mut spool = Spool::open(Box::new(disk.clone()), SMALL, || 99).unwrap();
        assert_eq!((spool.incarnation(), seqs(&mut spool)), (77, all(1, 5)));
    }
}

#[test]
fn the_real_disk_keeps_what_the_disk_in_memory_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool");
    let open = || Spool::open(Box::new(Folder::open(&path).unwrap()), SMALL, || 5).unwrap();
    let mut spool = open();
    add(&mut spool, 12);
    spool.acknowledge(6, &[]);
    drop(spool);
    let mut spool = open();
    assert_eq!(seqs(&mut spool), all(7, 12));
    use std::os::unix::fs::PermissionsExt;
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for entry in std::fs::read_dir(&path).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}
