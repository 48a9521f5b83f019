//! Processes, and the kernel's account of them.

use std::{
    fs,
    io::{self, BufRead, BufReader, Lines, Write},
    net::TcpListener,
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{Outcome, fault};

/// Linux gives times to user space in hundredths of a second, on every architecture.
const TICKS_A_SECOND: f64 = 100.0;

/// A child that does not outlive the benchmark.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) child: Child,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
        Ok(Self { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&mut self) -> Outcome<Lines<BufReader<ChildStdout>>> {
        let pipe = self.child.stdout.take().ok_or_else(|| fault("no pipe was asked for"))?;
        Ok(BufReader::new(pipe).lines())
    }

    pub(crate) fn stderr(&mut self) -> Outcome<Lines<BufReader<ChildStderr>>> {
        let pipe = self.child.stderr.take().ok_or_else(|| fault("no pipe was asked for"))?;
        Ok(BufReader::new(pipe).lines())
    }

    /// SIGTERM, and SIGKILL if that does not help.
    pub(crate) fn stop(mut self) -> Outcome {
        if let Some(id) = rustix::process::Pid::from_raw(i32::try_from(self.id())?) {
            rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait()?.is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A hidden mode of this binary on a free port, once it accepts.
pub(crate) fn start_self(mode: &str) -> Outcome<(Process, u16)> {
    let port = free_port()?;
    let own = std::env::current_exe()?;
    let process = Process::start(Command::new(own).args([mode, &port.to_string()]))?;
    wait_for_port(port, Duration::from_secs(10))?;
    Ok((process, port))
}

/// A hidden mode of this binary that says a line for each that it is told. It ends when this goes.
#[derive(Debug)]
pub(crate) struct Partner {
    process: Process,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Partner {
    pub(crate) fn start(arguments: &[&str]) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        piped(command.args(arguments)).stdin(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = Process::start(&mut command)?;
        let lines = process.stdout()?;
        Ok(Self { process, lines })
    }

    /// Tells it something, and waits for what it says.
    pub(crate) fn ask(&mut self, line: &str) -> Outcome<String> {
        let input = self.process.child.stdin.as_mut().ok_or_else(|| fault("no pipe"))?;
        writeln!(input, "{line}")?;
        self.line()
    }

    /// Waits for what it says.
    pub(crate) fn line(&mut self) -> Outcome<String> {
        Ok(self.lines.next().ok_or_else(|| fault("the clients have ended"))??)
    }
}

/// Says a line to whoever started this process.
pub(crate) fn say(line: &str) -> Outcome {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// A port that nobody listens on; it may be taken by another between here and its use.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until something accepts there.
pub(crate) fn wait_for_port(port: u16, wait: Duration) -> Outcome {
    let deadline = Instant::now() + wait;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > deadline {
            return Err(fault(format!("nothing accepts on port {port}")));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Seconds that a process and all its threads have computed, user and system.
pub(crate) fn cpu_seconds(id: u32) -> Outcome<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in parentheses may hold anything, so count from behind it.
    let (_, rest) = text.rsplit_once(')').ok_or_else(|| fault("a stat without a name"))?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |idx: usize| fields.get(idx).and_then(|field| field.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok((user + system) / TICKS_A_SECOND),
        _ => Err(fault("a stat without times")),
    }
}

/// Bytes that a process holds in memory.
pub(crate) fn resident_bytes(id: u32) -> Outcome<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map(|kib| kib * 1024.0).ok_or_else(|| fault("a status without VmRSS"))
}

/// Pipes for what is read, nothing for what is not.
pub(crate) fn piped(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// Lets this process have as many descriptors as it may.
pub(crate) fn raise_descriptors() -> Outcome {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit })?)
}
