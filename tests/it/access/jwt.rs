//! JSON web tokens as passwords, and sessions that end with them.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Setup, Vehicle, Version, until};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({ "alg": "HS256", "kid": "1" })), part(claims));
    let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed))
}

fn in_seconds(seconds: u64) -> u64 {
    (SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(seconds)).as_secs()
}

fn keys(id: &str, secret: &[u8]) -> String {
    let key = json!({ "kty": "oct", "kid": id, "k": URL_SAFE_NO_PAD.encode(secret) });
    json!({ "keys": [key] }).to_string()
}

#[test]
fn a_token_names_the_vehicle_and_the_session_ends_with_it() {
    let setup = Setup::new();
    let file = setup.home().join("keys.json");
    fs::write(&file, keys("1", SECRET)).unwrap();
    let appliance = setup
        .set("auth.jwt.keys", "keys.json")
        .set("auth.jwt.audience", "fleet")
        .set("auth.jwt.vehicle-claim", "vin")
        .start();
    let enter = |version, username, password: &str| {
        Vehicle::enter(appliance.mqtt(), version, "c", username, Some(password))
    };
    let good = json!({ "vin": "V1", "exp": in_seconds(3600), "aud": "fleet" });
    let (mut vehicle, told) = enter(Version::V5, None, &token(&good));
    assert_eq!(told, 0);
    vehicle.publish("vehicles/V1/x", b"{}", 1, 1);
    assert_eq!(vehicle.expect().reason(), 0x10);
    vehicle.publish("vehicles/V2/x", b"{}", 1, 2);
    assert_eq!(vehicle.expect().reason(), 0x87);
    assert_eq!(enter(Version::V3, Some("V1"), &token(&good)).1, 0);
    assert_eq!(enter(Version::V3, Some("V2"), &token(&good)).1, 5, "the user name says otherwise");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        token(&claims)
    };
    for wrong in [
        with("exp", json!(in_seconds(0) - 1)),
        with("exp", json!(in_seconds(3600).to_string())),
        with("nbf", json!(in_seconds(3600))),
        with("aud", json!("others")),
        token(&good).replace("eyJ", "eyK"),
        format!("{}x", token(&good)),
        "secret".to_owned(),
    ] {
        assert_eq!(enter(Version::V3, Some("V1"), &wrong).1, 4, "{wrong}");
        assert_eq!(enter(Version::V5, Some("V1"), &wrong).1, 0x86, "{wrong}");
    }
    for name in ["", "+", "a/b"] {
        assert_eq!(enter(Version::V5, None, &with("vin", json!(name))).1, 0x87, "{name}");
    }
    let short = with("exp", json!(in_seconds(2)));
    let (mut brief, told) = Vehicle::enter(appliance.mqtt(), Version::V5, "b", None, Some(&short));
    assert_eq!(told, 0);
    assert!(brief.expect_close().iter().any(|told| told.reason() == 0xa0));
    assert!(!appliance.log().contains(&token(&good)));

    // Another client identifier, so that it is there still; its key goes.
    let (mut stays, _) =
        Vehicle::enter(appliance.mqtt(), Version::V5, "stays", None, Some(&token(&good)));
    fs::write(&file, "{}").unwrap();
    appliance.signal("HUP");
    until("it is told", PATIENCE, || appliance.log().contains("keys.json: is no JWKS"));
    stays.ping();
    fs::write(&file, keys("1", b"another secret of thirty-two bytes")).unwrap();
    appliance.signal("HUP");
    assert!(stays.expect_close().iter().any(|told| told.reason() == 0x87));
    assert_eq!(enter(Version::V5, None, &token(&good)).1, 0x86);
}
