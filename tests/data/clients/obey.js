// A vehicle by MQTT.js: see tests/it/real/commands.rs.
// node obey.js HOST PORT VERSION VIN, with MQTT.js on NODE_PATH: subscribes to its commands, and
// answers each limit-charge with two receipts: in 5.0 by response topic and correlation data, in
// 3.1.1 by the id of the payload.
const mqtt = require("mqtt");

const [host, port, version, vin] = process.argv.slice(2);
const client = mqtt.connect(`mqtt://${host}:${port}`, {
  clientId: vin,
  protocolVersion: version === "5" ? 5 : 4,
});
client.on("connect", () => client.subscribe(`vehicles/${vin}/commands/#`, { qos: 2 }));
client.on("message", (topic, payload, packet) => {
  if (!topic.endsWith("/limit-charge")) return;
  const is5 = version === "5";
  const receipt = is5 ? {} : { command_id: JSON.parse(payload).id };
  const properties = is5 ? { correlationData: packet.properties.correlationData } : undefined;
  const answer = is5 ? packet.properties.responseTopic : `vehicles/${vin}/receipts`;
  for (const status of ["RUNNING", "DONE"]) {
    client.publish(answer, JSON.stringify({ ...receipt, status }), { qos: 1, properties });
  }
});
