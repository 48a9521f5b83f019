//! Clients that guess passwords: as many a second as asked, from many addresses, each gone as soon
//! as it has its answer. One thread, no connection waits for another.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use rustix::net::sockopt;

use super::{Outcome, crowd::dial, fault, frame, table::line};

/// Where guesses come from: balancers that speak for others, beside the addresses of `simulate`.
pub(crate) const BALANCERS: &str = "127.1.0.0/24";
/// Addresses that they speak for, and user names that these bring.
const ADDRESSES: usize = 500;
const NAMES: usize = 7;
/// Guesses that are open at once; past it the oldest goes without its answer.
const OPEN_MAX: usize = 8000;

/// What came of it, a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guessed {
    pub(crate) made: f64,
    pub(crate) answered: f64,
}

/// Guesses as a process of its own.
pub(crate) fn guess(port: u16, seconds: u32, rate: u32) -> Outcome<Guessed> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["guess", &port.to_string(), &seconds.to_string(), &rate.to_string()]);
    let output = command.output()?;
    let said = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = said.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    match numbers[..] {
        [made, answered] => Ok(Guessed { made, answered }),
        _ => Err(fault(String::from_utf8_lossy(&output.stderr))),
    }
}

/// The hidden mode `guess`.
pub(crate) fn serve(port: &str, seconds: &str, rate: &str) -> Outcome {
    let (port, seconds, rate): (u16, u64, f64) = (port.parse()?, seconds.parse()?, rate.parse()?);
    super::process::raise_descriptors()?;
    let mut guesses = Guesses {
        poll: Poll::new()?,
        to: SocketAddr::from(([127, 0, 0, 1], port)),
        open: BTreeMap::new(),
        begun: 0,
        made: 0,
        answered: 0,
    };
    let (began, length) = (Instant::now(), Duration::from_secs(seconds));
    let mut events = Events::with_capacity(1024);
    while began.elapsed() < length {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let due = (began.elapsed().as_secs_f64() * rate) as usize;
        while guesses.begun < due {
            guesses.begin()?;
        }
        guesses.poll.poll(&mut events, Some(Duration::from_millis(1)))?;
        for event in &events {
            guesses.go_on(event.token().0, event.is_readable());
        }
    }
    let [made, answered] =
        [guesses.made, guesses.answered].map(|all| f64::from(all) / began.elapsed().as_secs_f64());
    line(&format!("{made} {answered}"));
    Ok(())
}

struct Guesses {
    poll: Poll,
    to: SocketAddr,
    /// By their numbers: what is still to be written, and where.
    open: BTreeMap<usize, (Vec<u8>, TcpStream)>,
    begun: usize,
    made: u32,
    answered: u32,
}

impl Guesses {
    fn begin(&mut self) -> Outcome {
        let number = self.begun;
        self.begun += 1;
        let [.., low] = number.to_be_bytes();
        let mut stream = dial(SocketAddr::from(([127, 1, 0, low.max(1)], 0)), self.to)?;
        // Its port is free again at once.
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(number), both)?;
        let (high, low) = (number % ADDRESSES / 250, number % ADDRESSES % 250);
        let mut bytes =
            format!("PROXY TCP4 198.51.{high}.{low} 127.0.0.1 4711 1883\r\n").into_bytes();
        let texts = [format!("g{number}"), format!("guess{}", number % NAMES), "wrong".to_owned()];
        let texts = texts.map(|text| frame::with_length(&text));
        frame::write(
            &mut bytes,
            0x10,
            &[b"\0\x04MQTT\x04\xc2\0\x3c", &texts[0], &texts[1], &texts[2]],
        );
        self.open.insert(number, (bytes, stream));
        if self.open.len() > OPEN_MAX {
            self.open.pop_first();
        }
        Ok(())
    }

    /// Writes a guess that is connected; one that has its answer, or is thrown out, goes.
    fn go_on(&mut self, number: usize, is_readable: bool) {
        let Some((bytes, stream)) = self.open.get_mut(&number) else { return };
        if !bytes.is_empty() && stream.write(bytes).is_ok_and(|written| written == bytes.len()) {
            bytes.clear();
            self.made += 1;
        }
        if is_readable {
            let mut answer = [0; 64];
            self.answered += u32::from(stream.read(&mut answer).is_ok_and(|read| read > 0));
            self.open.remove(&number);
        }
    }
}
