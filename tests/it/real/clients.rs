//! Five independent MQTT clients run one scenario in both versions: each subscribes below a topic
//! of its own, publishes there at QoS 0, 1 and 2, gets all of it back, and asks for a filter that
//! the rules refuse, which is 0x87 in 5.0 and 0x80 in 3.1.1.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use rumqttc::{
    Event, Incoming, MqttOptions, QoS,
    v5::{
        self,
        mqttbytes::{
            self,
            v5::{Packet, SubscribeReasonCode},
        },
    },
};

use crate::harness::{Answer, Appliance, Setup, StandIn, program, until_some};

const MINUTE: Duration = Duration::from_secs(60);
const VERSIONS: [&str; 2] = ["3.1.1", "5"];
const RULES: &str = "[[rule]]\nallow = [\"publish\", \"subscribe\"]\ntopics = [\"clients/#\"]\n";

fn start() -> (StandIn, Appliance) {
    let store = StandIn::start(Answer::Accept);
    let setup = Setup::new().store2(&store.url(), "token");
    fs::write(setup.home().join("rules.toml"), RULES).unwrap();
    let appliance = setup.set("auth.rules", "rules.toml").start();
    (store, appliance)
}

/// Checks a client's output: messages of different QoS may be in any order.
#[track_caller]
pub(super) fn check(version: &str, name: &str, said: &str) {
    let refused = if version == "5" { 0x87 } else { 0x80 };
    assert!(said.contains(&format!("granted 2 {refused}\n")), "{version}: {said}");
    for qos in 0..3 {
        let line = format!("came clients/{name}/x {qos} at {qos}\n");
        assert_eq!(said.matches(&line).count(), 1, "{version}: {said}");
    }
}

/// The script of a client that runs the scenario, with the module that it needs.
pub(super) fn script(name: &str, module: &Path) -> Command {
    if name == "paho" {
        // Debian's own: another Python does not have Debian's modules.
        let mut python = Command::new("/usr/bin/python3");
        python.arg(data("scenario.py"));
        return python;
    }
    let mut node = Command::new("node");
    node.env("NODE_PATH", module.parent().and_then(Path::parent).unwrap());
    node.arg(data("scenario.js"));
    node
}

/// Runs a script with the scenario.
pub(super) fn play(command: &mut Command, url: &str, version: &str, name: &str) -> String {
    let child = command
        .args([url, version, name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = finished(child).wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{url}, {version}: {said}{error}");
    said
}

/// Waits for a program's end, and kills it after a time-out. Its output is small.
fn finished(mut child: Child) -> Child {
    until_some("the end of the client", MINUTE, || child.try_wait().unwrap());
    child
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clients").join(name)
}

#[test]
fn paho_for_python_is_served_in_both_versions() {
    let Some(_module) = program("real::clients (paho)", "FLEETLINE_TEST_PAHO") else { return };
    let (_store, appliance) = start();
    let url = format!("mqtt://{}", appliance.mqtt());
    for version in VERSIONS {
        let said = play(&mut script("paho", Path::new("")), &url, version, "paho");
        check(version, "paho", &said);
    }
}

#[test]
fn mqtt_js_is_served_in_both_versions() {
    let Some(module) = program("real::clients (MQTT.js)", "FLEETLINE_TEST_MQTTJS") else { return };
    let (_store, appliance) = start();
    let url = format!("mqtt://{}", appliance.mqtt());
    for version in VERSIONS {
        let said = play(&mut script("mqttjs", &module), &url, version, "mqttjs");
        check(version, "mqttjs", &said);
    }
}

/// A subscriber in a separate program: its output, line by line.
struct Listener {
    child: Child,
    lines: Receiver<String>,
}

impl Listener {
    fn start(command: &Command) -> Self {
        // It would buffer output to a pipe until it ends.
        let mut unbuffered = Command::new("stdbuf");
        unbuffered.arg("-oL").arg(command.get_program()).args(command.get_args());
        let mut child = unbuffered
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let out: Box<dyn Read + Send> = Box::new(child.stdout.take().unwrap());
        let error: Box<dyn Read + Send> = Box::new(child.stderr.take().unwrap());
        for stream in [out, error] {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    drop(sender.send(line));
                }
            });
        }
        Self { child, lines }
    }

    /// The next line that contains this.
    #[track_caller]
    fn expect(&self, what: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(MINUTE);
            let line = line.unwrap_or_else(|_| panic!("never said: {what}"));
            if line.contains(what) {
                return line;
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn mosquitto_pub_and_sub_are_served_in_both_versions() {
    let variable = "FLEETLINE_TEST_MOSQUITTO_PUB";
    let Some(publish) = program("real::clients (mosquitto)", variable) else { return };
    let subscribe = publish.with_file_name("mosquitto_sub");
    let (_store, appliance) = start();
    let (host, port) = (appliance.mqtt().ip().to_string(), appliance.mqtt().port().to_string());
    for version in ["mqttv311", "mqttv5"] {
        let place = ["-h", &host, "-p", &port, "-V", version];
        let mut command = Command::new(&subscribe);
        command.args(place).args(["-d", "-q", "2", "-F", "came %t %q %p"]);
        command.args(["-t", "clients/mosquitto/#", "-t", "secret/#"]);
        let listener = Listener::start(&command);
        let refused = if version == "mqttv5" { "135" } else { "128" };
        let granted = listener.expect("Subscribed (mid: ");
        assert!(granted.ends_with(&format!(": 2, {refused}")), "{granted}");
        for qos in ["0", "1", "2"] {
            let payload = format!("at {qos}");
            let mut command = Command::new(&publish);
            command.args(place).args(["-q", qos, "-t", "clients/mosquitto/x", "-m", &payload]);
            assert!(command.status().unwrap().success(), "{version}, QoS {qos}");
            listener.expect(&format!("came clients/mosquitto/x {qos} at {qos}"));
        }
    }
}

#[test]
fn paho_for_c_is_served_in_both_versions() {
    let variable = "FLEETLINE_TEST_PAHO_C_PUB";
    let Some(publish) = program("real::clients (Paho C)", variable) else { return };
    let subscribe = publish.with_file_name("paho_c_sub");
    let (_store, appliance) = start();
    let (host, port) = (appliance.mqtt().ip().to_string(), appliance.mqtt().port().to_string());
    for version in ["31", "311", "5"] {
        let place = ["-h", &host, "-p", &port, "-V", version];
        let mut command = Command::new(&subscribe);
        command.args(["-t", "clients/c/#", "-q", "2", "-v", "-i", "c-sub"]).args(place);
        let listener = Listener::start(&command);
        let is_there = || appliance.get("/api/v1/sessions/c-sub").1.contains("clients/c/#");
        until_some("its subscription", MINUTE, || is_there().then_some(()));
        for qos in ["0", "1", "2"] {
            let payload = format!("at {qos}");
            let mut command = Command::new(&publish);
            command.args(place).args(["-q", qos, "-t", "clients/c/x", "-m", &payload]);
            assert!(command.status().unwrap().success(), "{version}, QoS {qos}");
            listener.expect(&payload);
        }
        // It reports a refusal, but does not end by itself then.
        let mut refused = Command::new(&subscribe);
        refused.args(["-t", "secret/#", "-q", "1"]).args(place);
        let told = Listener::start(&refused).expect("Subscribe failed, rc");
        let word = if version == "5" { "Not authorized" } else { "128" };
        assert!(told.contains(word), "{version}: {told}");
    }
}

#[test]
fn rumqttc_is_served_in_3_1_1() {
    let (_store, appliance) = start();
    let (host, port) = (appliance.mqtt().ip().to_string(), appliance.mqtt().port());
    let (client, mut connection) =
        rumqttc::Client::new(MqttOptions::new("rumqttc", host, port), 10);
    client.subscribe("clients/rumqttc/#", QoS::ExactlyOnce).unwrap();
    client.subscribe("secret/#", QoS::AtLeastOnce).unwrap();
    let (mut said, mut answered, mut came) = (String::new(), Vec::new(), 0);
    while came < 3 {
        match connection.recv_timeout(MINUTE).expect("an event").expect("a good connection") {
            Event::Incoming(Incoming::SubAck(suback)) => {
                answered.extend(suback.return_codes.iter().map(|code| match code {
                    rumqttc::SubscribeReasonCode::Success(qos) => *qos as u8,
                    rumqttc::SubscribeReasonCode::Failure => 0x80,
                }));
                if answered.len() == 2 {
                    for (number, qos) in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]
                        .into_iter()
                        .enumerate()
                    {
                        let payload = format!("at {number}");
                        client.publish("clients/rumqttc/x", qos, false, payload).unwrap();
                    }
                }
            }
            Event::Incoming(Incoming::Publish(publish)) => {
                came += 1;
                let payload = String::from_utf8(publish.payload.to_vec()).unwrap();
                said += &format!("came {} {} {payload}\n", publish.topic, publish.qos as u8);
            }
            _ => {}
        }
    }
    check("3.1.1", "rumqttc", &format!("granted {} {}\n{said}", answered[0], answered[1]));
}

#[test]
fn rumqttc_is_served_in_5_0() {
    let (_store, appliance) = start();
    let (host, port) = (appliance.mqtt().ip().to_string(), appliance.mqtt().port());
    let (client, mut connection) = v5::Client::new(v5::MqttOptions::new("rumqttc", host, port), 10);
    let qos = mqttbytes::QoS::ExactlyOnce;
    client.subscribe("clients/rumqttc/#", qos).unwrap();
    client.subscribe("secret/#", mqttbytes::QoS::AtLeastOnce).unwrap();
    let (mut said, mut answered, mut came) = (String::new(), Vec::new(), 0);
    while came < 3 {
        match connection.recv_timeout(MINUTE).expect("an event").expect("a good connection") {
            v5::Event::Incoming(Packet::SubAck(suback)) => {
                answered.extend(suback.return_codes.iter().map(|code| match code {
                    SubscribeReasonCode::Success(qos) => *qos as u8,
                    SubscribeReasonCode::NotAuthorized => 0x87,
                    other => panic!("{other:?}"),
                }));
                if answered.len() == 2 {
                    for (number, qos) in [
                        mqttbytes::QoS::AtMostOnce,
                        mqttbytes::QoS::AtLeastOnce,
                        mqttbytes::QoS::ExactlyOnce,
                    ]
                    .into_iter()
                    .enumerate()
                    {
                        let payload = format!("at {number}");
                        client.publish("clients/rumqttc/x", qos, false, payload).unwrap();
                    }
                }
            }
            v5::Event::Incoming(Packet::Publish(publish)) => {
                came += 1;
                let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                let payload = String::from_utf8(publish.payload.to_vec()).unwrap();
                said += &format!("came {topic} {} {payload}\n", publish.qos as u8);
            }
            _ => {}
        }
    }
    check("5", "rumqttc", &format!("granted {} {}\n{said}", answered[0], answered[1]));
}
