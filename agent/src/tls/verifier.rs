//! Remembers what the server showed and what the verifier said of it.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// What was seen of one handshake.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// As the server sent it, its own certificate first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Why the chain is not valid.
    pub(super) fault: Option<Error>,
    /// The time that it was judged at, seconds since 1970.
    pub(super) now_s: Option<u64>,
}

/// A verifier that lets an invalid chain through and keeps the verdict, so that the rest of the
/// handshake can be seen. The caller must ask [`Recorder::take`] before it uses the connection.
#[derive(Debug)]
pub(super) struct Recorder {
    inner: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
    strict: bool,
    seen: Mutex<Seen>,
}

impl Recorder {
    /// `inner` judges; none: everything is valid. `strict`: an invalid chain ends the handshake.
    pub(super) fn new(
        inner: Option<Arc<dyn ServerCertVerifier>>,
        provider: Arc<CryptoProvider>,
        strict: bool,
    ) -> Self {
        Self { inner, provider, strict, seen: Mutex::default() }
    }

    /// What was seen since the last call.
    pub(super) fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let fault = self.inner.as_ref().and_then(|inner| {
            inner
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .err()
        });
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.chain = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|certificate| certificate.clone().into_owned())
            .collect();
        seen.now_s = Some(now.as_secs());
        seen.fault.clone_from(&fault);
        match fault {
            Some(fault) if self.strict => Err(fault),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
