use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(9);

/// A name server on loopback that knows a few names, and a configuration that asks it.
async fn name_server() -> ResolverConfig {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            if let Some(reply) = reply(&buffer[..length]) {
                let _ = socket.send_to(&reply, from).await;
            }
        }
    });
    let mut connection = ConnectionConfig::new(ProtocolConfig::Udp);
    connection.port = at.port();
    let server = NameServerConfig::new(at.ip(), true, vec![connection]);
    ResolverConfig::from_parts(None, Vec::new(), vec![server])
}

fn reply(question: &[u8]) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).unwrap();
    let query = question.queries[0].clone();
    let addresses: &[&str] = match query.name().to_string().as_str() {
        "both.test." => &["192.0.2.1", "192.0.2.2", "2001:db8::1"],
        "old.test." => &["192.0.2.1"],
        "cloud.test." => &["192.0.2.1", "169.254.169.254"],
        "mute.test." => return None,
        _ => &[],
    };
    let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
    reply.add_query(query.clone());
    reply.metadata.response_code = match query.name().to_string().as_str() {
        "no.test." => ResponseCode::NXDomain,
        "broken.test." => ResponseCode::ServFail,
        _ => ResponseCode::NoError,
    };
    for address in addresses {
        let address: IpAddr = address.parse().unwrap();
        if address.is_ipv6() == (query.query_type() == RecordType::AAAA) {
            reply.add_answer(Record::from_rdata(query.name().clone(), 60, RData::from(address)));
        }
    }
    Some(reply.to_vec().unwrap())
}

#[tokio::test]
async fn names_are_asked_for_and_every_refusal_is_told() {
    let config = name_server().await;
    for (name, family, expected) in [
        ("both.test.", Family::Any, Ok(3)),
        ("both.test.", Family::V4, Ok(2)),
        ("both.test.", Family::V6, Ok(1)),
        ("old.test.", Family::V6, Err("old.test. has no IPv6 address")),
        ("old.test.", Family::Any, Ok(1)),
        ("no.test.", Family::Any, Err("the name no.test. does not exist")),
        ("none.test.", Family::Any, Err("none.test. has no address")),
        ("broken.test.", Family::Any, Err("broken.test.: the name server failed to resolve it")),
    ] {
        let asked =
            names::ask(name, family, TIMEOUT, config.clone(), ResolverOpts::default()).await;
        match expected {
            Ok(count) => assert_eq!(asked.unwrap().len(), count, "{name}"),
            Err(says) => {
                let fault = asked.unwrap_err();
                assert_eq!(fault.detail, says);
                assert_eq!(fault.outcome.reason(), Some("dns"));
            }
        }
    }
    let short = Duration::from_millis(300);
    let asked = names::ask("mute.test.", Family::V4, short, config, ResolverOpts::default()).await;
    assert_eq!(
        asked.unwrap_err().detail,
        "the name servers did not answer the question for mute.test."
    );
}

#[tokio::test]
async fn a_name_that_leads_to_a_denied_address_is_refused_as_a_whole() {
    let found = names::ask(
        "cloud.test.",
        Family::Any,
        TIMEOUT,
        name_server().await,
        ResolverOpts::default(),
    );
    let refused = vet("cloud.test.", 80, found.await.unwrap()).unwrap_err();
    assert_eq!(
        refused.detail,
        "cloud.test. resolves to 169.254.169.254, a cloud's metadata service: no probe may reach it"
    );
    assert_eq!(refused.outcome.reason(), Some("connect"));
}

#[test]
fn families_take_turns() {
    let parse = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
    assert_eq!(
        interleave(parse(&["1.1.1.1", "1.1.1.2", "1.1.1.3", "::2", "::3"])),
        parse(&["1.1.1.1", "::2", "1.1.1.2", "::3", "1.1.1.3"])
    );
    assert_eq!(interleave(parse(&["::1", "1.1.1.1"])), parse(&["::1", "1.1.1.1"]));
    assert_eq!(interleave(Vec::new()), Vec::<IpAddr>::new());
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = listener.local_addr().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (_, used) = connect(&Vetted(vec![closed, open])).await.unwrap();
    assert_eq!(used, open);
    let fault = connect(&Vetted(vec![closed, closed])).await.unwrap_err();
    assert_eq!(
        fault.detail,
        format!("connection refused by {closed}, and 1 more addresses failed")
    );
    assert_eq!(fault.errors.len(), 2);
}

#[tokio::test]
async fn literals_and_localhost_need_no_name_server() {
    for (host, family, expected) in [
        ("127.0.0.1", Family::Any, vec!["127.0.0.1:80"]),
        ("::1", Family::V6, vec!["[::1]:80"]),
        ("localhost", Family::V4, vec!["127.0.0.1:80"]),
        ("a.localhost", Family::Any, vec!["127.0.0.1:80", "[::1]:80"]),
    ] {
        let vetted = resolve(host, 80, family, TIMEOUT).await.unwrap();
        let expected: Vec<SocketAddr> = expected.iter().map(|at| at.parse().unwrap()).collect();
        assert_eq!(vetted.addresses(), expected, "{host}");
    }
    let fault = resolve("::1", 80, Family::V4, TIMEOUT).await.unwrap_err();
    assert_eq!(fault.detail, "::1 has no IPv4 address");
}
