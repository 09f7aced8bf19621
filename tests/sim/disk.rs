//! A disk in memory: what was appended but not synced is lost or torn at a crash; it fills, and it can
//! stop in the middle of an operation.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use agent::disk::Files;

use crate::random::Stream;

/// A file: its bytes, and how many of them are durable.
#[derive(Clone, Debug, Default)]
struct Stored {
    bytes: Vec<u8>,
    durable: usize,
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<String, Stored>,
    /// Bytes beyond which appends fail for want of room.
    room: Option<usize>,
    /// The power goes within the operation after so many more.
    power_for: Option<usize>,
    dark: bool,
    /// It says that it synced and did not.
    lies: bool,
}

/// The door to a disk; all doors lead to the same one.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<Inner>>);

impl Inner {
    fn write(&mut self, more: usize) -> io::Result<()> {
        match &mut self.power_for {
            _ if self.dark => return Err(io::ErrorKind::Other.into()),
            Some(0) => {
                self.dark = true;
                return Err(io::ErrorKind::Other.into());
            }
            Some(left) => *left -= 1,
            None => {}
        }
        let used: usize = self.files.values().map(|file| file.bytes.len()).sum();
        if self.room.is_some_and(|room| more > 0 && used + more > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Disk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Room for so many bytes in all; none: as much as is wanted.
    pub fn limit(&self, room: Option<usize>) {
        self.inner().room = room;
    }

    /// Bytes that are used.
    pub fn used(&self) -> usize {
        self.inner().files.values().map(|file| file.bytes.len()).sum()
    }

    /// The power will go within the operation after `operations` more.
    pub fn cut_power_after(&self, operations: usize) {
        self.inner().power_for = Some(operations);
    }

    /// Whether the power has gone.
    pub fn dark(&self) -> bool {
        self.inner().dark
    }

    /// From now on it says that it synced and does not.
    pub fn lie(&self) {
        self.inner().lies = true;
    }

    /// The program ended without warning. Of what was not synced some part is left, or all, or none;
    /// it works again.
    pub fn crash(&self, random: &mut Stream) {
        let mut inner = self.inner();
        for file in inner.files.values_mut() {
            let loose = file.bytes.len() - file.durable;
            let kept = match random.below(4) {
                0 => loose,
                1 => 0,
                _ => random.place(loose + 1),
            };
            file.bytes.truncate(file.durable + kept);
            file.durable = file.bytes.len();
        }
        (inner.dark, inner.power_for) = (false, None);
    }
}

impl Files for Disk {
    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.inner().files.keys().cloned().collect())
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let inner = self.inner();
        let file = inner.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(file.bytes.clone())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        let written = inner.write(bytes.len());
        let torn = if inner.dark { bytes.len() / 3 } else { 0 };
        let file = inner.files.entry(name.into()).or_default();
        match &written {
            Ok(()) => file.bytes.extend_from_slice(bytes),
            Err(_) => file.bytes.extend_from_slice(&bytes[..torn]),
        }
        written
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.write(0)?;
        let lies = inner.lies;
        if let Some(file) = inner.files.get_mut(name).filter(|_| !lies) {
            file.durable = file.bytes.len();
        }
        Ok(())
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        inner.write(0)?;
        let stored = Stored { bytes: bytes.to_vec(), durable: bytes.len() };
        inner.files.insert(name.into(), stored);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.write(0)?;
        inner.files.remove(name);
        Ok(())
    }
}
