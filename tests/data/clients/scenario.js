// One scenario for the MQTT clients that the tests bring: see tests/it/real/clients.rs.
// node scenario.js HOST PORT VERSION NAME, with MQTT.js on NODE_PATH.
const mqtt = require("mqtt");

const [host, port, version, name] = process.argv.slice(2);
const client = mqtt.connect(`mqtt://${host}:${port}`, {
  clientId: name,
  protocolVersion: version === "5" ? 5 : 4,
});
const topic = `clients/${name}/x`;
let come = 0;

client.on("error", (error) => {
  console.log("error", error.message);
  process.exit(1);
});
client.on("packetreceive", (packet) => {
  if (packet.cmd === "suback") console.log("granted", ...packet.granted);
});
client.on("connect", () => {
  client.subscribe({ [`clients/${name}/#`]: { qos: 2 }, "secret/#": { qos: 1 } }, () => {
    for (const qos of [0, 1, 2]) client.publish(topic, `at ${qos}`, { qos });
  });
});
client.on("message", (topic, payload, packet) => {
  console.log("came", topic, packet.qos, payload.toString());
  come += 1;
  if (come === 3) client.end(false, {}, () => process.exit(0));
});
