//! Files of the agent: whole files replaced so that a crash leaves the old or the new one, and the
//! few operations that the spool needs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What the spool does with files, so that a test can let any of it fail.
pub trait Files: Send {
    /// Names of all files.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn list(&mut self) -> io::Result<Vec<String>>;
    /// The whole of a file.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    fn read(&mut self, name: &str) -> io::Result<Vec<u8>>;
    /// Adds to the end of a file, which is made if there is none. May leave a part behind on failure.
    ///
    /// # Errors
    /// It cannot be written; the disk may be full.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Returns once everything that was appended to a file, and the file's name, will survive a crash.
    ///
    /// # Errors
    /// The disk refused; what was appended since the last success may be gone.
    fn sync(&mut self, name: &str) -> io::Result<()>;
    /// Puts a file in place of another: after a crash there is the old one or the new one.
    ///
    /// # Errors
    /// It cannot be written; the old one stands.
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// It cannot be removed.
    fn remove(&mut self, name: &str) -> io::Result<()>;
}

/// A folder of the real disk; its files have mode 0600.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The file that is appended to.
    open: Option<(String, File)>,
}

impl Folder {
    /// Opens the folder, made with mode 0700 if missing.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        make_folder(path)?;
        Ok(Self { path: path.into(), open: None })
    }

    fn opened(&mut self, name: &str) -> io::Result<&mut File> {
        if self.open.as_ref().is_none_or(|(open, _)| open != name) {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(self.path.join(name))?;
            self.open = Some((name.to_owned(), file));
        }
        self.open.as_mut().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Files for Folder {
    fn list(&mut self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.opened(name)?;
        file.write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.opened(name)?.sync_all()?;
        sync_folder(&self.path)
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        replace(&self.path.join(name), bytes)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|(open, _)| open == name) {
            self.open = None;
        }
        fs::remove_file(self.path.join(name))
    }
}

/// Makes a folder, and those above it, with mode 0700.
///
/// # Errors
/// It is not there and cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Puts `bytes` in place of the file `path`, mode 0600: after a crash there is the old or the new one.
///
/// # Errors
/// It cannot be written; the old one stands.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Waits for the lock of a file, which is made if there is none; held until the value is dropped.
///
/// # Errors
/// It cannot be made.
pub fn lock(path: &Path) -> io::Result<File> {
    let file = lock_file(path)?;
    file.lock()?;
    Ok(file)
}

/// Takes the lock of a file unless somebody else has it.
///
/// # Errors
/// Somebody has it, or it cannot be made.
pub fn try_lock(path: &Path) -> io::Result<File> {
    let file = lock_file(path)?;
    file.try_lock()?;
    Ok(file)
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}
