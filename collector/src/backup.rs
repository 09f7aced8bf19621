//! Copies of the store that are whole: made beside a running collector, checked, and brought back.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::store::{self, Doing as _, Error};

/// How many faults of a damaged copy are listed.
const FAULTS_MAX: usize = 5;

/// What a checked copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Length of the file, bytes.
    pub bytes: u64,
    /// Inputs in the journal.
    pub inputs: u64,
    /// Results at rest.
    pub results: u64,
    /// Incidents, open or not.
    pub incidents: u64,
}

fn disk(what: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Disk { what, path: path.clone(), source }
}

/// Where a copy is made before it takes its name.
fn partial(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Copies the store in `data` to `file` as it is at one instant, checks the copy, and gives it its
/// name only then. A running collector goes on: this is one long read.
///
/// # Errors
/// There is no store, `file` exists, there is no room, or the copy is damaged.
pub fn backup(data: &Path, file: &Path) -> Result<Contents, Error> {
    if file.exists() {
        return Err(Error::Other(format!("{} exists: choose another name", file.display())));
    }
    let partial = partial(file);
    let copied = copy(data, &partial).and_then(|()| verify(&partial));
    match copied {
        Ok(contents) => {
            settle(&partial, file)?;
            Ok(contents)
        }
        Err(error) => {
            // The first error is the one to tell.
            let _ = fs::remove_file(&partial);
            Err(error)
        }
    }
}

/// An empty file that only its owner can read; what was left there by an attempt before is gone.
fn fresh(path: &Path) -> Result<(), Error> {
    let mut options = File::options();
    options.create(true).write(true).truncate(true).mode(0o600);
    options.open(path).map(drop).map_err(disk("write", path))
}

fn copy(data: &Path, to: &Path) -> Result<(), Error> {
    let db = store::connect_reading(data)?;
    fresh(to)?;
    db.execute("VACUUM INTO ?1", [to.to_string_lossy()]).doing("copy the store")?;
    Ok(())
}

/// Makes `from` durable and gives it the name `to`.
fn settle(from: &Path, to: &Path) -> Result<(), Error> {
    File::open(from).and_then(|file| file.sync_all()).map_err(disk("write", from))?;
    fs::rename(from, to).map_err(disk("name", to))?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(disk("write", folder))
}

/// Reads a copy from its first to its last page and says what it holds.
///
/// # Errors
/// It is not a store of this program, is newer than it, or is damaged.
pub fn verify(file: &Path) -> Result<Contents, Error> {
    let bytes = fs::metadata(file).map_err(disk("read", file))?.len();
    let not_one = || Error::Other(format!("{} is not a copy of a store", file.display()));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags).map_err(|_| not_one())?;
    let version = store::version_of(&db).map_err(|_| not_one())?;
    match version {
        0 => return Err(not_one()),
        version if version > store::VERSION => {
            return Err(Error::Other(format!(
                "{} has version {version}, this program knows versions up to {}",
                file.display(),
                store::VERSION
            )));
        }
        _ => {}
    }
    let faults = faults(&db)?;
    if !faults.is_empty() {
        return Err(Error::Other(format!("{} is damaged: {}", file.display(), faults.join("; "))));
    }
    let count = |table: &str| -> Result<u64, Error> {
        let rows = db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
        rows.map(store::unsigned).doing("read the copy")
    };
    Ok(Contents {
        bytes,
        inputs: count("journal")?,
        results: count("result")?,
        incidents: count("incident")?,
    })
}

/// What SQLite finds wrong; nothing when all is well.
fn faults(db: &Connection) -> Result<Vec<String>, Error> {
    let mut check =
        db.prepare(&format!("PRAGMA integrity_check({FAULTS_MAX})")).doing("check the copy")?;
    let said = check.query_map([], |row| row.get::<_, String>(0));
    let said: Vec<String> = said.and_then(Iterator::collect).doing("check the copy")?;
    Ok(said.into_iter().filter(|line| line != "ok").collect())
}

/// Makes `data` the folder of a collector that continues where the copy `file` was made. The copy is
/// checked first and stays as it is.
///
/// # Errors
/// The copy is not whole, or `data` has a store: nothing is ever overwritten.
pub fn restore(file: &Path, data: &Path) -> Result<Contents, Error> {
    let contents = verify(file)?;
    store::make_folder(data)?;
    let target = data.join(store::FILE);
    if target.exists() {
        return Err(Error::Other(format!(
            "{} holds a store already: move it away or choose another --data",
            data.display()
        )));
    }
    let partial = partial(&target);
    fresh(&partial)?;
    fs::copy(file, &partial).map_err(disk("write", &partial))?;
    settle(&partial, &target)?;
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use model::name::{AgentName, Region};
    use model::time::Timestamp;

    use super::*;
    use crate::token::{self, Grant};

    fn grant(agent: &str) -> Grant {
        Grant::Agent { agent: AgentName::new(agent).unwrap(), region: Region::new("eu").unwrap() }
    }

    #[test]
    fn a_copy_made_while_the_store_is_open_is_brought_back_whole() {
        use std::os::unix::fs::PermissionsExt as _;
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let now = Timestamp::from_ms(1);
        let open = store::connect(old.path()).unwrap();
        let before = token::add(old.path(), &grant("before"), now).unwrap();
        let file = old.path().join("copy");
        let contents = backup(old.path(), &file).unwrap();
        assert_eq!(contents, verify(&file).unwrap());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!partial(&file).exists());
        token::add(old.path(), &grant("after"), now).unwrap();

        let home = new.path().join("data");
        restore(&file, &home).unwrap();
        let listed = token::list(&home).unwrap();
        assert_eq!(listed.len(), 1, "as it was when the copy was made");
        let db = store::connect(&home).unwrap();
        assert!(token::holder(&db, &before).unwrap().is_some());
        drop(open);
        for (error, part) in [
            (backup(old.path(), &file).unwrap_err(), "exists"),
            (restore(&file, &home).unwrap_err(), "holds a store already"),
            (backup(new.path(), &new.path().join("x")).unwrap_err(), "no store"),
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn what_is_no_copy_or_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        for name in 0..200 {
            token::add(&data, &grant(&format!("agent-{name}")), Timestamp::from_ms(1)).unwrap();
        }
        let whole = folder.path().join("whole");
        backup(&data, &whole).unwrap();
        let bytes = fs::read(&whole).unwrap();
        let mut torn = bytes.clone();
        let middle = torn.len() / 2;
        for byte in &mut torn[middle..middle + 4096] {
            *byte = 0x5a;
        }
        for (name, content) in [
            ("empty", &[][..]),
            ("text", b"not a store at all"),
            ("short", &bytes[..bytes.len() / 2]),
            ("torn", &torn),
        ] {
            let file = folder.path().join(name);
            fs::write(&file, content).unwrap();
            assert!(verify(&file).is_err(), "{name}");
            assert!(restore(&file, &folder.path().join("new")).is_err(), "{name}");
        }
        assert!(!folder.path().join("new").exists(), "nothing is made of a bad copy");
        assert!(verify(&folder.path().join("missing")).is_err());
    }
}
