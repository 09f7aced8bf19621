//! Copies of the store: made, checked, brought back.

use std::path::Path;

use anyhow::anyhow;
use collector::backup::{self, Contents};

use crate::arguments::{Backup, BackupCommand, Restore};
use crate::exit::{DONE, Done, Failure};
use crate::out;

/// `watchpost backup`.
pub fn backup(order: Backup) -> Done {
    match (order.command, order.file) {
        (Some(BackupCommand::Verify { file }), _) => {
            tell(&file, "is whole", backup::verify(&file).map_err(|error| anyhow!(error))?)
        }
        (None, Some(file)) => {
            let contents = backup::backup(&order.data, &file).map_err(|error| anyhow!(error))?;
            tell(&file, "is made and whole", contents)
        }
        (None, None) => Err(Failure::Usage("a backup needs the FILE to write".into())),
    }
}

/// `watchpost restore`.
pub fn restore(order: Restore) -> Done {
    let contents = backup::restore(&order.file, &order.data).map_err(|error| anyhow!(error))?;
    tell(&order.data, "is restored", contents)
}

fn tell(what: &Path, is: &str, contents: Contents) -> Done {
    let Contents { bytes, inputs, results, incidents } = contents;
    out::line(&format!(
        "{} {is}: {bytes} bytes, {inputs} inputs, {results} results, {incidents} incidents",
        what.display()
    ))?;
    Ok(DONE)
}
