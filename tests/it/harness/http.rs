//! A simple HTTP client for tests: one request, one answer, with a time-out of 30 s.

use std::{sync::LazyLock, time::Duration};

use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    // Another thread may have installed it first, which is fine.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
});

/// Status and body of an answer; an error if there was none.
pub(crate) type Answered = Result<(u16, String), reqwest::Error>;

async fn finish(request: reqwest::RequestBuilder) -> Answered {
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    Ok((status, answer.text().await?))
}

/// GET with query parameters and, if there is a token, its header.
pub(crate) fn get(url: &str, parameters: &[(&str, &str)], token: Option<&str>) -> Answered {
    let mut request = CLIENT.get(url).query(parameters);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Token {token}"));
    }
    RUNTIME.block_on(finish(request))
}

/// Any request, with headers of its own.
pub(crate) fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> Answered {
    let mut request = CLIENT.request(method.parse().unwrap(), url).body(body.into());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    RUNTIME.block_on(finish(request))
}

/// POST with a body, query parameters and, if there is a token, its header.
pub(crate) fn post(
    url: &str,
    parameters: &[(&str, &str)],
    token: Option<&str>,
    body: &str,
) -> Answered {
    let mut request = CLIENT.post(url).query(parameters).body(body.to_owned());
    if let Some(token) = token {
        request = request.header("Authorization", format!("Token {token}"));
    }
    RUNTIME.block_on(finish(request))
}
