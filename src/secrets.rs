//! Looks up what `${env:NAME}` and `${file:PATH}` stand for. The only reader of the environment.

use std::io::Read as _;
use std::sync::Arc;

use model::secret::Resolver;

/// The largest file that is taken for a secret, bytes.
pub const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// The variable `name` of the environment; none when it is missing or not text.
#[expect(clippy::disallowed_methods, reason = "the edge: the one place that reads the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The resolver of this process. It reads anew at every call, so a changed file is seen.
pub fn resolver() -> Resolver {
    Arc::new(resolve)
}

/// Gives the value of `env:NAME` or `file:PATH`; the error names the reference, never a value.
fn resolve(reference: &str) -> Result<String, String> {
    match reference.split_once(':') {
        Some(("env", name)) => environment(name).ok_or_else(|| {
            format!("{reference}: the environment variable {name} is not set, or is not text")
        }),
        Some(("file", path)) => read(path).map_err(|why| format!("{reference}: {why}")),
        _ => Err(format!("{reference}: a secret is written env:NAME or file:PATH")),
    }
}

/// Reads a secret from a file. One newline at its end is the editor's, not the secret's.
pub fn read(path: &str) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("cannot open it: {error}"))?;
    let mut bytes = Vec::new();
    let taken = file
        .take(SECRET_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot read it: {error}"))?;
    if taken as u64 > SECRET_BYTES_MAX {
        return Err(format!("the file is larger than {SECRET_BYTES_MAX} bytes"));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err("the file is empty".into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_gives_its_value_or_says_which_one_failed_and_why() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            format!("file:{}", path.display())
        };
        let large = vec![b'x'; usize::try_from(SECRET_BYTES_MAX).unwrap() + 1];
        let whole = vec![b'x'; usize::try_from(SECRET_BYTES_MAX).unwrap()];
        for (reference, want) in [
            (write("plain", b"s3cret"), Ok("s3cret")),
            (write("line", b"s3cret\n"), Ok("s3cret")),
            (write("dos", b"s3cret\r\n"), Ok("s3cret")),
            (write("lines", b"a\nb\n\n"), Ok("a\nb\n")),
            (write("empty", b"\n"), Err("is empty")),
            (write("bytes", b"\xff\xfe"), Err("not UTF-8")),
            (write("large", &large), Err("larger than 65536 bytes")),
            ("file:/does/not/exist".into(), Err("cannot open it")),
            (format!("file:{}", folder.path().display()), Err("cannot read it")),
            ("env:WATCHPOST_NO_SUCH_VARIABLE".into(), Err("is not set")),
            ("vault:x".into(), Err("env:NAME or file:PATH")),
            ("nothing".into(), Err("env:NAME or file:PATH")),
        ] {
            match (resolve(&reference), want) {
                (Ok(value), Ok(wanted)) => assert_eq!(value, wanted, "{reference}"),
                (Err(why), Err(part)) => {
                    assert!(why.contains(part) && why.starts_with(&reference), "{why}");
                }
                (got, _) => panic!("{reference}: {got:?}"),
            }
        }
        assert_eq!(resolve(&write("whole", &whole)).map(|text| text.len()), Ok(whole.len()));
        assert!(resolve("env:PATH").is_ok());
    }
}
