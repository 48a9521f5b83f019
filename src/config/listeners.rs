//! Checks that the listeners are consistent: addresses, TLS and access.

use std::net::SocketAddr;

use crate::{
    config::{
        check::Findings,
        problem::{Fault, Problem},
        settings::Settings,
    },
    mqtt,
};

/// Checks all listeners, and stores their parsed addresses.
pub(super) fn check(settings: &Settings, findings: &mut Findings, problems: &mut Vec<Problem>) {
    let mut addresses: Vec<(SocketAddr, &str)> = Vec::new();
    for text in settings.texts("mqtt.listen") {
        match text.parse::<mqtt::Listener>() {
            Ok(listener) => {
                addresses.push((listener.address, "mqtt.listen"));
                findings.mqtt.push(listener);
            }
            Err(reason) => {
                let remedy = "write it like \"mqtt://127.0.0.1:1883\" or \"127.0.0.1:1883\"";
                refuse(settings, "mqtt.listen", reason, remedy, problems);
            }
        }
    }
    let http = settings.text("http.listen");
    match http.parse::<SocketAddr>() {
        Ok(address) => {
            addresses.push((address, "http.listen"));
            findings.http = Some(address);
        }
        Err(_) => {
            let reason = format!("`{http}` is not an IP address with a port");
            let remedy = "write it like \"127.0.0.1:8080\" or \"[::1]:8080\"";
            refuse(settings, "http.listen", reason, remedy, problems);
        }
    }
    for text in settings.texts("mqtt.proxy-protocol.from") {
        match text.parse() {
            Ok(network) => findings.proxies.push(network),
            Err(reason) => {
                let remedy = "name who sends PROXY headers";
                refuse(settings, "mqtt.proxy-protocol.from", reason, remedy, problems);
            }
        }
    }
    check_addresses(settings, &addresses, problems);
    check_tls(settings, findings, problems);
}

fn refuse(
    settings: &Settings,
    key: &str,
    reason: String,
    remedy: &str,
    problems: &mut Vec<Problem>,
) {
    let fault = Fault::Conflict { reason, remedy: remedy.to_owned() };
    problems.push(settings.problem(key, fault));
}

fn check_addresses(
    settings: &Settings,
    addresses: &[(SocketAddr, &str)],
    problems: &mut Vec<Problem>,
) {
    let anonymous = settings.flag("auth.anonymous");
    let is_named = |key| settings.text_if_any(key).is_some_and(|file| !file.is_empty());
    let knows_operators = is_named("auth.tokens");
    let knows_vehicles = is_named("auth.users")
        || is_named("auth.jwt.keys")
        || settings.text("mqtt.tls.client-certificate") != "off";
    for (index, &(address, key)) in addresses.iter().enumerate() {
        let before = &addresses[..index];
        if let Some((_, other)) = before.iter().find(|(a, _)| *a == address && a.port() != 0) {
            let reason = format!("{address} is taken by {other}");
            let remedy = "give each listener an address of its own";
            refuse(settings, key, reason, remedy, problems);
        }
        let is_asked =
            anonymous || if key == "mqtt.listen" { knows_vehicles } else { knows_operators };
        if !address.ip().is_loopback() && !is_asked {
            let reason = format!(
                "{address} can be reached from other machines, and nobody is asked who they are"
            );
            let remedy = match key {
                "mqtt.listen" => {
                    "listen on 127.0.0.1, say with auth.users or certificates who may come in, or \
                     write auth.anonymous = true to allow everybody"
                }
                _ => {
                    "listen on 127.0.0.1, name tokens of operators with auth.tokens, or write \
                     auth.anonymous = true to allow everybody"
                }
            };
            refuse(settings, key, reason, remedy, problems);
        }
    }
}

/// TLS files must be complete, and need a listener that uses TLS.
fn check_tls(settings: &Settings, findings: &Findings, problems: &mut Vec<Problem>) {
    let is_asked = findings.mqtt.iter().any(|listener| listener.transport.is_secure());
    for (certificate, key, is_asked) in [
        ("mqtt.tls.certificate", "mqtt.tls.key", is_asked),
        ("http.tls.certificate", "http.tls.key", settings.is_written("http.tls.certificate")),
    ] {
        for (missing, other) in [(certificate, key), (key, certificate)] {
            if !settings.is_written(missing) && (is_asked || settings.is_written(other)) {
                let remedy = format!("TLS takes a certificate and its key; write {missing}");
                problems.push(settings.problem_of(
                    missing,
                    &[other, "mqtt.listen"],
                    Fault::Missing { remedy },
                ));
            }
        }
    }
    let wanted = settings.text("mqtt.tls.client-certificate");
    if wanted != "off" && !is_asked && findings.proxies.is_empty() {
        let reason = "no listener speaks TLS, and no load balancer that could is named".to_owned();
        let remedy = "listen on mqtts:// or wss://, or name it with mqtt.proxy-protocol.from";
        refuse(settings, "mqtt.tls.client-certificate", reason, remedy, problems);
    }
    if wanted != "off" && is_asked && !settings.is_written("mqtt.tls.client-ca") {
        let reason = "nothing says which authorities sign certificates of clients".to_owned();
        let remedy = "name them with mqtt.tls.client-ca";
        refuse(settings, "mqtt.tls.client-certificate", reason, remedy, problems);
    }
}
