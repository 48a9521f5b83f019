//! The target of a write: the parts of a request that do not depend on the lines.

use std::error::Error;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Url, header::HeaderValue};

use crate::{
    model::Secret,
    store::{Answer, StoreError},
};

/// Path, query and authorisation of a store's write request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Segments below the base address.
    pub path: &'static [&'static str],
    /// Query parameters, unescaped, in order.
    pub query: Vec<(&'static str, String)>,
    /// The value of the `Authorization` header.
    pub authorization: Option<Secret>,
}

impl Route {
    /// The URL of the request below a base address, whose own path is kept.
    pub(super) fn endpoint(&self, base: &str) -> Result<Url, StoreError> {
        let invalid = |source: Box<dyn Error + Send + Sync>| StoreError::UrlInvalid {
            url: without_secrets(base),
            source,
        };
        let mut url = Url::parse(base).map_err(|source| invalid(source.into()))?;
        if !url.username().is_empty() || url.password().is_some() {
            let host = url.host_str().unwrap_or_default().to_owned();
            return Err(StoreError::UrlWithCredentials { host });
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(StoreError::SchemeUnknown { url: without_secrets(base) });
        }
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().extend(self.path),
            Err(()) => return Err(StoreError::SchemeUnknown { url: without_secrets(base) }),
        };
        url.set_query(None);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }
}

/// An address that may be printed: without possible secrets (user, password, query, fragment).
#[must_use]
pub fn without_secrets(address: &str) -> String {
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let (shown, hidden) = address.split_at(end);
    let start = shown.find("//").map_or(0, |at| at + 2);
    let host_end = shown[start..].find('/').map_or(shown.len(), |at| start + at);
    let mut text = match shown[start..host_end].rfind('@') {
        Some(at) => format!("{}…{}", &shown[..start], &shown[start + at..]),
        None => shown.to_owned(),
    };
    if !hidden.is_empty() {
        text.push_str(&hidden[..1]);
        text.push('…');
    }
    text
}

/// The target of a redirect from `asked`, without user, password, query and fragment.
pub(super) fn shown(asked: &Url, location: &str) -> Option<String> {
    let mut url = asked.join(location).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    // These cannot fail if there is a host, and an address without a host has no credentials.
    if url.set_username("").and_then(|()| url.set_password(None)).is_err() {
        return None;
    }
    let mut text = String::from(url);
    text.truncate(text.floor_char_boundary(Answer::QUOTE_BYTES_MAX));
    Some(text)
}

/// `Authorization` for a scheme that sends the plain token (`Token`, `Bearer`).
pub(super) fn token(scheme: &str, token: &Secret) -> Secret {
    Secret::new(format!("{scheme} {}", token.expose()))
}

/// `Authorization` for a user and a password.
pub(super) fn basic(user: &str, password: &Secret) -> Secret {
    let pair = format!("{user}:{}", password.expose());
    Secret::new(format!("Basic {}", STANDARD.encode(pair)))
}

/// The `Authorization` header.
pub(super) fn authorization(secret: Option<&Secret>) -> Result<Option<HeaderValue>, StoreError> {
    let Some(secret) = secret else { return Ok(None) };
    let mut value = HeaderValue::from_str(secret.expose())
        .map_err(|_invalid| StoreError::CredentialsInvalid)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        influxdb1, influxdb2, influxdb3,
        options::{Credentials, InfluxDb1, InfluxDb2, InfluxDb3, TdEngine},
        tdengine,
    };

    fn check_route(base: &str, route: &Route, expect: &str, authorization: Option<&str>) {
        assert_eq!(route.endpoint(base).map(String::from).expect("a good address"), expect);
        assert_eq!(route.authorization.as_ref().map(Secret::expose), authorization);
    }

    #[test]
    fn each_store_is_written_to_with_its_own_name_for_nanoseconds() {
        let one = |credentials| InfluxDb1 {
            database: "flötte & co".to_owned(),
            retention_policy: Some("one week".to_owned()),
            credentials,
        };
        check_route(
            "http://h:8086",
            &influxdb1::route(&one(Some(Credentials::Basic {
                user: "Aladdin".to_owned(),
                password: Secret::new("open sesame"),
            }))),
            "http://h:8086/write?db=fl%C3%B6tte+%26+co&rp=one+week&precision=n",
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        );
        check_route(
            "https://h/proxied/",
            &influxdb1::route(&one(Some(Credentials::Token(Secret::new("t"))))),
            "https://h/proxied/write?db=fl%C3%B6tte+%26+co&rp=one+week&precision=n",
            Some("Token t"),
        );
        let (org, bucket) = ("fleet".to_owned(), "telemetry".to_owned());
        check_route(
            "http://h:8086/",
            &influxdb2::route(&InfluxDb2 {
                org,
                bucket,
                token: Some(Secret::new("t")),
                create: false,
            }),
            "http://h:8086/api/v2/write?org=fleet&bucket=telemetry&precision=ns",
            Some("Token t"),
        );
        check_route(
            "http://[::1]:8181",
            &influxdb3::route(&InfluxDb3 { database: "d".to_owned(), token: None }),
            "http://[::1]:8181/api/v3/write_lp\
             ?db=d&precision=nanosecond&accept_partial=true&no_sync=false",
            None,
        );
        let taos = |credentials| TdEngine {
            database: "d".to_owned(),
            credentials,
            create: false,
            newlines: crate::store::Newlines::Refuse,
            string_bytes_max: TdEngine::STRING_BYTES_MAX,
        };
        let basic = Credentials::Basic { user: "root".to_owned(), password: Secret::new("t:d") };
        check_route(
            "http://h:6041",
            &tdengine::route(&taos(basic)),
            "http://h:6041/influxdb/v1/write?db=d&precision=ns",
            Some("Basic cm9vdDp0OmQ="),
        );
        check_route(
            "http://h:6041",
            &tdengine::route(&taos(Credentials::Token(Secret::new("t")))),
            "http://h:6041/influxdb/v1/write?db=d&precision=ns",
            Some("Bearer t"),
        );
    }

    #[test]
    fn possible_secrets_in_an_address_are_not_printed() {
        let check = |address: &str, expect: &str| assert_eq!(without_secrets(address), expect);
        check("http://h:8086/influx/", "http://h:8086/influx/");
        check("http://h:8086/?token=abc", "http://h:8086/?…");
        check("http://h/#token", "http://h/#…");
        check("https://u:p@s@h/x@y", "https://…@h/x@y");
        check("u:hush@h", "…@h");
        check("http://u:p@h?a=b@c/d", "http://…@h?…");
        check("", "");
        let asked = Url::parse("http://h:1/write?u=a&p=b").expect("an address");
        let to = |location| shown(&asked, location);
        assert_eq!(to("/x?token=abc#y").as_deref(), Some("http://h:1/x"));
        assert_eq!(to("https://u:p@g/api/v2/write").as_deref(), Some("https://g/api/v2/write"));
        assert_eq!(to("mailto:u@h"), None);
    }

    #[test]
    fn an_invalid_address_is_reported_without_its_password() {
        let route = influxdb3::route(&InfluxDb3 { database: "d".to_owned(), token: None });
        let reason = |base| route.endpoint(base).expect_err("a bad address").to_string();
        assert_eq!(reason("nonsense"), "store address `nonsense` is not a URL");
        assert_eq!(reason("udp://h:1"), "store address `udp://h:1` is neither http nor https");
        assert_eq!(
            reason("http://u:hush@h:1"),
            "store address of host `h` holds credentials; use the store's own keys for them"
        );
        assert!(authorization(Some(&Secret::new("Token a\nb"))).is_err());
    }
}
