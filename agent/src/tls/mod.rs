//! TLS as a client, with the facts about the connection known even when it fails.

mod facts;
mod fault;
mod files;
mod params;
mod verifier;

use std::sync::Arc;

use model::result::{Reason, VoidReason};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, version};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use facts::{Certificate, Facts};
pub use fault::from_chain;
pub use params::{Params, Roots};
use verifier::Recorder;

use crate::probe::Fault;

/// What `connect` needs beside the connection.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// How TLS is spoken.
    pub params: &'a Params,
    /// The target's host, without brackets; `server_name` of the parameters goes before it.
    pub host: &'a str,
    /// Protocols to offer, most wanted first; empty for none.
    pub alpn: &'a [&'a [u8]],
    /// Whether the target is the configured one: another one is neither shown the client
    /// certificate nor asked for by the configured `server_name`.
    pub own: bool,
}

/// Makes a full handshake on `stream`. The facts are given in every case, as far as they are known.
///
/// # Errors
/// `certificate` with a plain sentence when it is the certificate's fault, `tls` for any other fault
/// of the handshake, void when the agent cannot speak TLS as it was told.
pub async fn connect(
    stream: TcpStream,
    wish: Wish<'_>,
) -> (Facts, Result<TlsStream<TcpStream>, Fault>) {
    match prepare(wish).await {
        Err(fault) => (Facts::default(), Err(fault)),
        Ok((config, recorder, name)) => handshake(stream, config, &recorder, name, wish).await,
    }
}

async fn prepare(
    wish: Wish<'_>,
) -> Result<(Arc<ClientConfig>, Arc<Recorder>, ServerName<'static>), Fault> {
    let params = wish.params;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let inner = match params.verify {
        true => Some(files::verifier(params, &provider).await?),
        false => None,
    };
    let client = match (&params.certificate_file, &params.key_file) {
        (Some(certificates), Some(key)) if wish.own => {
            Some(files::client_certificate(certificates, key).await?)
        }
        _ => None,
    };
    let name = params.server_name.as_deref().filter(|_| wish.own).unwrap_or(wish.host);
    let name = ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(|_| {
        Fault::failed(Reason::Tls, format!("`{name}` is not a name that TLS can ask for"))
    })?;
    // With a client certificate the handshake must not go on to a server that is not trusted.
    let strict = client.is_some();
    let recorder = Arc::new(Recorder::new(inner, provider.clone(), strict));
    let config = config(provider, &recorder, client, wish.alpn)
        .map_err(|error| cannot("the client certificate cannot be used", &error))?;
    Ok((Arc::new(config), recorder, name))
}

fn config(
    provider: Arc<CryptoProvider>,
    recorder: &Arc<Recorder>,
    client: Option<files::ClientCertificate>,
    alpn: &[&[u8]],
) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone());
    let mut config = match client {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    // A resumed session would show no certificate.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

async fn handshake(
    stream: TcpStream,
    config: Arc<ClientConfig>,
    recorder: &Recorder,
    name: ServerName<'static>,
    wish: Wish<'_>,
) -> (Facts, Result<TlsStream<TcpStream>, Fault>) {
    let ended = TlsConnector::from(config).connect(name, stream).await;
    let seen = recorder.take();
    let mut facts = Facts::of_chain(&seen.chain);
    if let Some(error) = seen.fault {
        if let Ok(stream) = &ended {
            facts.add_connection(stream.get_ref().1);
        }
        return (facts.clone(), Err(fault::from_rustls(&error, &facts)));
    }
    match ended {
        Err(error) => {
            let fault = fault::from_io(&error, &facts);
            (facts, Err(fault))
        }
        Ok(stream) => {
            facts.add_connection(stream.get_ref().1);
            let early = wish.params.fail_days.zip(seen.now_s);
            let early = early.and_then(|(days, now_s)| facts.ends_within(days, now_s));
            match early {
                Some(says) => (facts, Err(Fault::failed(Reason::Certificate, says))),
                None => (facts, Ok(stream)),
            }
        }
    }
}

fn cannot(says: &str, error: &(dyn std::error::Error + 'static)) -> Fault {
    Fault::void(VoidReason::Unsupported, format!("{says}: {error}")).with_error(error)
}
