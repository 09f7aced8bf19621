//! What a TLS client reads from its machine: authorities, its own certificate, its key. Read at
//! each attempt, so that a renewed file counts at once; the system's store is kept for a while.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::result::VoidReason;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncReadExt;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::params::{Params, Roots};
use crate::probe::Fault;

/// The largest PEM file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How long the system's store is used before it is read again: it costs milliseconds to read, and
/// changes when the system is updated.
const SYSTEM_STORE_KEPT: Duration = Duration::from_secs(600);

/// A client certificate with its chain, and its key.
pub(super) type ClientCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A verifier and since when it is kept.
type Kept = Mutex<Option<(Instant, Arc<dyn ServerCertVerifier>)>>;

/// The operating system's store is one per machine, and so is what was read of it.
static SYSTEM_STORE: Kept = Mutex::const_new(None);

/// The verifier that the parameters ask for.
///
/// # Errors
/// Void: a missing file or store is the agent's fault, not the target's.
pub(super) async fn verifier(
    params: &Params,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Fault> {
    let mut store = RootCertStore::empty();
    match (&params.ca_file, params.roots) {
        (Some(path), _) => {
            let certificates = certificates(path, "tls.ca_file").await?;
            let (added, _) = store.add_parsable_certificates(certificates);
            if added == 0 {
                return Err(void(format!(
                    "tls.ca_file {path} holds no certificate that can be used"
                )));
            }
        }
        (None, Roots::Bundled) => {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        (None, Roots::System) => return system(provider).await,
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone());
    let built =
        built.build().map_err(|error| void(format!("no certificate can be verified: {error}")))?;
    Ok(built)
}

async fn system(provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Fault> {
    let mut kept = SYSTEM_STORE.lock().await;
    if let Some((since, verifier)) = kept.as_ref()
        && since.elapsed() < SYSTEM_STORE_KEPT
    {
        return Ok(verifier.clone());
    }
    let provider = provider.clone();
    let read = move || rustls_platform_verifier::Verifier::new(provider);
    let read = tokio::task::spawn_blocking(read).await;
    let verifier = read.ok().and_then(Result::ok).ok_or_else(|| {
        void(
            "this agent has no certificate store: install ca-certificates, or write \
              tls: {roots: bundled}",
        )
    })?;
    let verifier: Arc<dyn ServerCertVerifier> = Arc::new(verifier);
    *kept = Some((Instant::now(), verifier.clone()));
    Ok(verifier)
}

/// The client certificate with its key.
///
/// # Errors
/// Void: both are the agent's.
pub(super) async fn client_certificate(
    certificate_file: &str,
    key_file: &str,
) -> Result<ClientCertificate, Fault> {
    let chain = certificates(certificate_file, "tls.certificate_file").await?;
    let pem = read(key_file, "tls.key_file").await?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| void(format!("tls.key_file {key_file} holds no private key in PEM")))?;
    Ok((chain, key))
}

async fn certificates(path: &str, field: &str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let pem = read(path, field).await?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(void(format!("{field} {path} holds no certificate in PEM"))),
    }
}

async fn read(path: &str, field: &str) -> Result<Vec<u8>, Fault> {
    let cannot = |error: std::io::Error| void(format!("{field} {path} cannot be read: {error}"));
    let file = tokio::fs::File::open(Path::new(path)).await.map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).await.map_err(cannot)?;
    Ok(bytes)
}

fn void(says: impl Into<String>) -> Fault {
    Fault::void(VoidReason::Unsupported, says)
}
