//! Requirements of an address that begins with `ws`: its client supports less than our HTTP client.

use reqwest::Url;

use crate::{
    config::{
        problem::{Fault, Problem},
        settings::Settings,
    },
    store,
};

/// Whether an address is a WebSocket address.
pub(super) fn is_one(address: &str) -> bool {
    address.starts_with("ws://") || address.starts_with("wss://")
}

/// Refuses settings that the WebSocket client does not support.
pub(super) fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    let urls = settings.texts("store.urls");
    if !urls.iter().any(|url| is_one(url)) {
        return;
    }
    let mut refuse = |key: &str, reason: &str, remedy: &str| {
        let fault = Fault::Conflict { reason: reason.to_owned(), remedy: remedy.to_owned() };
        problems.push(settings.problem_of(key, &["store.urls"], fault));
    };
    if settings.text("store.kind") != store::Kind::TdEngine.as_str() {
        let reason = "only tdengine is spoken to over a WebSocket";
        return refuse("store.urls", reason, "write http:// or https://");
    }
    if !cfg!(feature = "taos-ws") {
        let reason = "this build speaks no WebSocket";
        let remedy = "build it with `--features taos-ws`, or write http:// or https://";
        return refuse("store.urls", reason, remedy);
    }
    if !urls.iter().all(|url| is_one(url)) {
        let remedy = "write http:// or ws:// for all of them";
        refuse("store.urls", "a store is reached in one way, and this is two", remedy);
    }
    let has_path = |url: &String| Url::parse(url).is_ok_and(|url| url.path().len() > 1);
    if urls.iter().any(has_path) {
        let reason = "the client finds the adapter's WebSocket only behind an address without path";
        refuse("store.urls", reason, "write ws://host:port, or http:// with the path");
    }
    if settings.flag("sink.gzip") {
        refuse("sink.gzip", "nothing is compressed over a WebSocket", "leave it false");
    }
    for key in ["store.token", "store.token-file"] {
        if settings.is_written(key) {
            let remedy = "write a user and store.password-file, or http:// in store.urls";
            refuse(key, "no token is sent over a WebSocket", remedy);
        }
    }
    if settings.is_written("store.ca-file") && urls.iter().any(|url| url.starts_with("wss://")) {
        let reason = "the client over the WebSocket trusts the machine's authorities and no others";
        let remedy = "name a file of them all with SSL_CERT_FILE, or write https:// in store.urls";
        refuse("store.ca-file", reason, remedy);
    }
}
