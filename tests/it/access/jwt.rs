//! JSON Web Tokens as passwords, and sessions that end with their tokens.

use std::{fs, process::Command};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::harness::{
    PATIENCE, Setup, Vehicle, Version,
    jwt::{self, in_seconds, keys},
    skip, until,
};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn token(claims: &Value) -> String {
    jwt::token(claims, SECRET)
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

    // Another client identifier, so that it is still connected; its key is removed.
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

/// RS256 with a key from OpenSSL, and attack C5: its public key is not accepted as an HS256 secret.
#[test]
fn a_token_that_is_signed_with_rsa_is_verified_with_the_public_key() {
    let test = "a_token_that_is_signed_with_rsa_is_verified_with_the_public_key";
    let setup = Setup::new();
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).current_dir(setup.home()).output()
    };
    if openssl("version").is_err() {
        return skip(test, "there is no openssl");
    }
    let made =
        openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem").unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let said = openssl("rsa -in key.pem -noout -modulus").unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    let digits = said.trim().strip_prefix("Modulus=").unwrap();
    let modulus: Vec<u8> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect();
    let n = URL_SAFE_NO_PAD.encode(&modulus);
    let key = json!({ "kty": "RSA", "kid": "r", "alg": "RS256", "n": n, "e": "AQAB" });
    fs::write(setup.home().join("keys.json"), json!({ "keys": [key] }).to_string()).unwrap();
    let claims = json!({ "sub": "V1", "exp": in_seconds(3600) });
    let sign = |algorithm: &str| {
        let message = jwt::message(&json!({ "alg": algorithm, "kid": "r" }), &claims);
        fs::write(setup.home().join("message"), &message).unwrap();
        let signed = openssl("dgst -sha256 -sign key.pem message").unwrap().stdout;
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed))
    };
    let (good, other) = (sign("RS256"), sign("RS512"));
    let confused = jwt::token(&claims, n.as_bytes());
    let appliance = setup.set("auth.jwt.keys", "keys.json").start();
    let enter = |token: &str| Vehicle::enter(appliance.mqtt(), Version::V5, "c", None, Some(token));
    let (mut vehicle, told) = enter(&good);
    assert_eq!(told, 0);
    vehicle.publish("vehicles/V1/x", b"{}", 1, 1);
    assert_eq!(vehicle.expect().reason(), 0x10);
    let (front, signature) = good.rsplit_once('.').unwrap();
    for wrong in [
        other,
        confused,
        format!("{front}."),
        format!("{front}.{}", &signature[4..]),
        good.replacen("eyJ", "eyK", 1),
    ] {
        assert_ne!(enter(&wrong).1, 0, "{wrong}");
    }
}
