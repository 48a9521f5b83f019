//! An InfluxDB 2 behind TLS: what its port says to plain HTTP holds everything
//! (`o01-answers-that-are-not-the-stores`), and a certificate of a private authority is trusted
//! where `store.ca-file` names the authority (`o13-store-with-a-private-authority`).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::harness::{
    Appliance, Influx, Kind, Sample, Setup, Vehicle, Version, program, until, until_some,
};

const MINUTE: Duration = Duration::from_mins(1);

/// A private authority in a folder, and the certificate and key of `127.0.0.1` that it signed.
struct Certificates {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificates {
    fn make(openssl: &Path, folder: &Path) -> Self {
        let run = |arguments: &str| {
            let words = arguments.split(' ');
            let made = Command::new(openssl).current_dir(folder).args(words).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        run(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=fleet-ca"));
        run(&format!("req {key} -keyout server.key -out server.csr -subj /CN=influx"));
        fs::write(folder.join("san"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
            .unwrap();
        run("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile san -out server.pem"
            .replace("             ", "")
            .as_str());
        Self {
            authority: folder.join("ca.pem"),
            certificate: folder.join("server.pem"),
            key: folder.join("server.key"),
        }
    }
}

/// Waits until the answer of `readyz` contains the words, and returns it.
fn wait_for_words(appliance: &Appliance, words: &str) -> String {
    until_some(words, MINUTE, || {
        let (_, body) = appliance.get("/readyz");
        body.contains(words).then_some(body)
    })
}

#[test]
fn a_store_behind_tls_is_recognised_and_trusted_by_its_authority() {
    let test = "real::tls";
    let Some(openssl) = program(test, "FLEETLINE_TEST_OPENSSL") else { return };
    let Some(mut influx) = Influx::start(test, Kind::Two) else { return };
    let folder = tempfile::tempdir().unwrap();
    let made = Certificates::make(&openssl, folder.path());
    influx.stop();
    influx.wrap_in_tls(Some((&made.certificate, &made.key)));
    influx.launch();

    let plain = influx.serves(Setup::new());
    let mut appliance = plain.start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    for seq in 0..12 {
        let id = u16::try_from(seq + 1).unwrap();
        vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq }.payload(), id);
    }
    wait_for_words(&appliance, "Client sent an HTTP request to an HTTPS server. (write https://");
    assert_eq!(appliance.count("points.dead_lettered"), 0);
    assert_eq!(appliance.count("points.in_spool"), 12);

    let secure = influx.url().replace("http://", "https://");
    appliance.terminate(MINUTE);
    appliance.set("store.urls", &format!("[\"{secure}\"]"));
    appliance.start_again();
    let reason = wait_for_words(&appliance, "UnknownIssuer");
    assert!(reason.contains("store.ca-file"), "{reason}");
    assert!(!appliance.log().contains("rustls_platform_verifier"), "{}", appliance.log());

    appliance.terminate(MINUTE);
    appliance.set("store.ca-file", made.authority.to_str().unwrap());
    appliance.start_again();
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    assert_eq!(appliance.count("points.dead_lettered"), 0);
    let (status, rows) = appliance.get("/api/v1/telemetry/sample?from=2000-01-01T00:00:00Z");
    assert_eq!((status, rows.matches("VIN").count()), (200, 12), "{rows}");

    influx.stop();
    influx.wrap_in_tls(None);
    influx.launch();
    assert_eq!(influx.count("sample", "seq"), 12);
}
