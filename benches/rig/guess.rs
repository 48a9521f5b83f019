//! Clients that guess passwords: as many a second as asked, from many addresses, none waiting for
//! its answer.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{Outcome, fault, table::line, tls::dial};

/// Where guesses come from: a balancer that speaks for others, beside the addresses of `simulate`.
pub(crate) const BALANCER: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);
/// Threads that guess.
const GUESSERS: u32 = 2;
/// Addresses and user names that each of them brings.
const ADDRESSES: u32 = 250;
const NAMES: u32 = 7;

/// Guesses as a process of its own; how many a second there were.
pub(crate) fn guess(port: u16, seconds: u32, rate: u32) -> Outcome<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["guess", &port.to_string(), &seconds.to_string(), &rate.to_string()]);
    let output = command.output()?;
    let said = String::from_utf8(output.stdout)?;
    said.trim().parse().map_err(|_| fault(String::from_utf8_lossy(&output.stderr)))
}

/// The hidden mode `guess`.
pub(crate) fn serve(port: &str, seconds: &str, rate: &str) -> Outcome {
    let (port, seconds, rate): (u16, u64, u32) = (port.parse()?, seconds.parse()?, rate.parse()?);
    let (began, length) = (Instant::now(), Duration::from_secs(seconds));
    let guessers: Vec<_> = (0..GUESSERS)
        .map(|guesser| {
            let every = Duration::from_secs(1) * GUESSERS / rate;
            thread::spawn(move || {
                let mut done = 0_u32;
                while began.elapsed() < length {
                    // One that finds no place is made up for by the next.
                    if guess_once(port, guesser, done).is_ok() {
                        done += 1;
                    }
                    thread::sleep((every * done).saturating_sub(began.elapsed()));
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for guesser in guessers {
        done += guesser.join().map_err(|_| fault("a client panicked"))?;
    }
    line(&format!("{}", f64::from(done) / began.elapsed().as_secs_f64()));
    Ok(())
}

fn guess_once(port: u16, guesser: u32, number: u32) -> Outcome {
    let mut stream = dial(SocketAddr::from((BALANCER, 0)), port)?;
    let address = number % ADDRESSES;
    let mut bytes =
        format!("PROXY TCP4 198.51.{guesser}.{address} 127.0.0.1 4711 1883\r\n").into_bytes();
    let (id, name) = (format!("g{guesser}-{number}"), format!("guess{}", number % NAMES));
    let mut body = b"\0\x04MQTT\x04\xc2\0\x3c".to_vec();
    for text in [id.as_str(), &name, "wrong"] {
        body.extend(u16::try_from(text.len())?.to_be_bytes());
        body.extend(text.as_bytes());
    }
    bytes.extend([0x10, u8::try_from(body.len())?]);
    bytes.extend(body);
    stream.write_all(&bytes)?;
    Ok(())
}
