//! Operators: connections to the appliance's API, and commands that are posted over them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use super::{Outcome, fault, server::Server};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// One connection to the operator edge.
#[derive(Debug)]
pub(crate) struct Operator {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Operator {
    /// To the appliance.
    pub(crate) fn connect(server: &Server) -> Outcome<Self> {
        let stream = TcpStream::connect(("127.0.0.1", server.http_port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, answer: Vec::new() })
    }

    /// Posts, and reads the answer whole.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> Outcome<String> {
        self.ask("POST", path, body)
    }

    /// Gets an answer whole.
    pub(crate) fn get(&mut self, path: &str) -> Outcome<String> {
        self.ask("GET", path, "")
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Outcome<String> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes())?;
        self.answer.clear();
        let mut chunk = [0; 65536];
        loop {
            let count = self.stream.read(&mut chunk)?;
            if count == 0 {
                return Err(fault("the appliance closed the connection"));
            }
            self.answer.extend_from_slice(&chunk[..count]);
            let Some(head) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let text = String::from_utf8_lossy(&self.answer[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.ok_or_else(|| fault(text.clone()))?.trim().parse()?;
            if self.answer.len() >= head + 4 + length {
                let body = String::from_utf8_lossy(&self.answer[head + 4..]).into_owned();
                return if text.starts_with("http/1.1 20") { Ok(body) } else { Err(fault(body)) };
            }
        }
    }
}

/// Posts a command for each vehicle of a list.
pub(crate) fn post_list(operator: &mut Operator, vehicles: &[String], topic: &str) -> Outcome {
    let body = serde_json::json!({
        "vehicles": vehicles, "topic": topic, "payload": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    });
    let answer = operator.post("/api/v1/commands", &body.to_string())?;
    let made = answer.matches("\"created\":").count();
    if made == vehicles.len() { Ok(()) } else { Err(fault(format!("{made} commands were made"))) }
}

/// Posts a command for each vehicle, each on its own, on a topic of its own, all operators at once.
pub(crate) fn post_each(operators: &mut [Operator], vehicles: &[String]) -> Outcome {
    let share = vehicles.len().div_ceil(operators.len());
    thread::scope(|scope| {
        let posting = operators.iter_mut().zip(vehicles.chunks(share)).map(|(operator, mine)| {
            scope.spawn(move || {
                mine.iter().try_for_each(|name| {
                    let body = format!(r#"{{"topic":"c/{name}","payload":"AAAA"}}"#);
                    let posted = operator.post(&format!("/api/v1/vehicles/{name}/commands"), &body);
                    posted.map(drop).map_err(|error| error.to_string())
                })
            })
        });
        let posting: Vec<_> = posting.collect();
        posting.into_iter().try_for_each(|one| {
            let posted = one.join().map_err(|_| fault("an operator panicked"))?;
            posted.map_err(fault)
        })
    })
}
