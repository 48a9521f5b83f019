//! The tasks of a worker: its mailbox, the end of its turns, the turns of greetings, its clock.

use std::{future::poll_fn, rc::Rc, sync::Arc, task::Poll};

use ntex::time::Millis;
use tokio::sync::{mpsc::UnboundedReceiver, oneshot};

use super::{
    early::give_greeting_turns,
    mailbox::{Mail, Questions},
    slot::{Client, Hold, Slot, SlotKey, Socket},
    thread::{Shared, Worker},
    write::STALLED,
};
use crate::{
    env::Supervisor,
    mqtt::{
        clock::TICK,
        close::{Close, MAXIMUM_CONNECT_TIME, NOT_AUTHORIZED, TAKEN_OVER},
    },
    uplink::IntakeParts,
};

/// Starts a worker on the current thread: its tasks run until the thread's runtime ends.
pub(in crate::mqtt) fn start(shared: Arc<Shared>, parts: &IntakeParts) -> Rc<Worker> {
    let (worker, mail) = Worker::new(shared, parts);
    let name = |what: &str| format!("mqtt-{}-{what}", worker.number());
    let supervisor = &worker.shared.supervisor;
    supervise(supervisor, name("mailbox"), read_mail(Rc::clone(&worker), mail));
    supervise(supervisor, name("turns"), end_turns(Rc::clone(&worker)));
    supervise(supervisor, name("greetings"), give_greeting_turns(Rc::clone(&worker)));
    supervise(supervisor, name("clock"), tick(Rc::clone(&worker)));
    worker
}

/// Runs a task for as long as the appliance does.
fn supervise(supervisor: &Supervisor, name: String, task: impl Future<Output = ()> + 'static) {
    let guard = supervisor.guard(name);
    ntex::rt::spawn(async move {
        let _guard = guard;
        task.await;
    });
}

/// Queries answered before the vehicles have their turn again: each asks the kernel for an address,
/// so these take about 50 µs.
const QUESTIONS_A_TURN: usize = 64;

/// Reads all available mail, and then publishes the counts once.
async fn read_mail(worker: Rc<Worker>, mut mail: UnboundedReceiver<Mail>) {
    let mut late = Late::default();
    while let Some(first) = mail.recv().await {
        worker.open_letter(first, &mut late);
        // Only those that are there now: a letter to itself waits for the next turn.
        for _ in 0..mail.len() {
            let Ok(next) = mail.try_recv() else { break };
            worker.open_letter(next, &mut late);
        }
        worker.release_held();
        worker.intake.borrow().publish();
        if !late.early.is_empty() || !late.taken_over.is_empty() {
            // What the clients have sent meanwhile is read first: a CONNECT, or a DISCONNECT.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            late.early.drain(..).for_each(|(key, cause)| worker.too_early(key, cause));
            late.taken_over.drain(..).for_each(|(key, ended)| worker.taken_over(key, ended));
        }
        // The connections have their turn.
        tokio::task::yield_now().await;
    }
}

/// Hands over the work of a turn once: it is woken by the first message of a turn, and lets ready
/// connections proceed first.
async fn end_turns(worker: Rc<Worker>) {
    loop {
        poll_fn(|cx| {
            if worker.dirty.get() {
                return Poll::Ready(());
            }
            worker.flush.register(cx.waker());
            Poll::Pending
        })
        .await;
        tokio::task::yield_now().await;
        worker.dirty.set(false);
        worker.deliver();
        worker.intake.borrow_mut().flush();
        worker.hand_over();
    }
}

/// Slots that a tick examines, in about 0.3 µs each, before the connections have their turn again.
/// A message from one worker to another may wait for four such pieces: before it is read, before
/// the turn ends, and the same on the other worker.
const SLOTS_A_TURN: usize = 16;

/// The half-second clock. Missed ticks are not repeated: a stalled worker closes no connection.
async fn tick(worker: Rc<Worker>) {
    loop {
        ntex::time::sleep(Millis::from(TICK)).await;
        worker.step_clock();
        let mut look = Look::default();
        while worker.look_at_slots(&mut look) {
            tokio::task::yield_now().await;
        }
        worker.looked(&look);
    }
}

/// The progress of a tick through the slots.
#[derive(Default)]
struct Look {
    place: usize,
    /// Full queues so far.
    full: i64,
}

/// Connections that will end once everything they have sent is read.
#[derive(Default)]
struct Late {
    early: Vec<(SlotKey, &'static str)>,
    taken_over: Vec<(SlotKey, oneshot::Sender<()>)>,
}

impl Worker {
    fn taken_over(&self, key: SlotKey, ended: oneshot::Sender<()>) {
        self.close(key, &Close::Reason(TAKEN_OVER), "taken-over");
        // Its will is sent to other workers before any publish of the new session.
        self.send_outbox();
        // The new connection may be gone meanwhile.
        ended.send(()).unwrap_or_default();
    }

    fn open_letter(&self, mail: Mail, late: &mut Late) {
        match mail {
            Mail::Group(answer) => self.answered(answer),
            Mail::Questions(questions) => self.questions(questions),
            Mail::Survey(survey) => self.survey(survey),
            Mail::TakenOver(key, ended) => late.taken_over.push((key, ended)),
            Mail::Journaled(answered) => self.journaled(answered),
            Mail::Fetched(key, piece) => self.fetched(key, piece),
            Mail::DueWills(wills, waiting) => self.publish_wills(wills, waiting),
            Mail::Carried(mut carried) => {
                self.take_in(&mut carried);
                self.dirty();
            }
            Mail::Passed(publishes) => {
                publishes.into_iter().for_each(|(key, seq)| self.passed(key, seq));
            }
            Mail::Tell(topic, text) => self.tell_json(&topic, &text),
            Mail::Command(key, outgoing) => self.send_command(key, *outgoing),
            Mail::Forget(places) => self.forget_commands(&places),
            Mail::Alarm(publication) => self.publish_alarm(*publication),
            Mail::QueueFull(key) => self.close_stalled(key),
            Mail::TooEarly(key, cause) => late.early.push((key, cause)),
            Mail::EndAbsent(session) => self.end_absent(session),
            Mail::Drain => self.drain(),
        }
    }

    /// Answers as many queries as a turn allows, and leaves the rest to the next one.
    fn questions(&self, mut questions: Questions) {
        let done = questions.answers.len();
        let some = questions.questions.iter().skip(done).take(QUESTIONS_A_TURN);
        questions.answers.extend(some.map(|question| self.answer(question)));
        if questions.answers.len() < questions.questions.len() {
            self.mail.send(Mail::Questions(questions)).unwrap_or_default();
        } else {
            // An operator who is gone needs no answer.
            drop(questions.reply.send(questions.answers));
        }
    }

    /// Wakes every connection when the appliance begins to stop.
    fn drain(&self) {
        self.draining.set(true);
        let mut slots = self.slots.borrow_mut();
        slots.slab.iter_mut().filter_map(|(_, slot)| slot.socket.as_ref()).for_each(Socket::wake);
    }

    /// Half a second has passed.
    fn step_clock(&self) {
        self.now.set(self.now.get().next());
        self.wall.set(self.shared.clock.wall());
        self.monotonic.set(self.shared.clock.monotonic());
    }

    /// Closes overdue connections in the next slots; false if there are none.
    fn look_at_slots(&self, look: &mut Look) -> bool {
        let mut overdue = Vec::new();
        let mut slots = self.slots.borrow_mut();
        let Some(piece) = slots.slab.piece_mut(look.place, SLOTS_A_TURN) else { return false };
        for (key, slot) in piece {
            let is_full = slot.client.as_deref().is_some_and(|client| client.full_since.is_some());
            look.full += i64::from(is_full);
            overdue.extend(self.due(slot).map(|(close, cause)| (key, close, cause)));
        }
        drop(slots);
        look.place += SLOTS_A_TURN;
        for (key, close, cause) in overdue {
            self.close(key, &close, cause);
        }
        true
    }

    /// How and why a connection must be closed, if its time is over.
    fn due(&self, slot: &mut Slot) -> Option<(Close, &'static str)> {
        let (now, rates) = (self.now.get(), self.limits().rates);
        let Some(client) = slot.client.as_mut() else {
            let socket = slot.socket.as_ref()?;
            let is_late = now.since(socket.accepted) > self.limits().connect_ticks;
            let is_due = !socket.has_said_connect && is_late;
            return is_due.then_some((Close::Silent, "connect-timeout"));
        };
        if client.full_since.is_some_and(|since| self.is_stalled(since)) {
            return Some(STALLED);
        }
        let socket = slot.socket.as_mut()?;
        if client.identity.expires().is_some_and(|at| at <= self.wall.get()) {
            return Some((Close::Reason(MAXIMUM_CONNECT_TIME), "token-expired"));
        }
        client.rate.refill(rates);
        if socket.hold == Hold::Rate && !client.rate.is_spent(rates) {
            socket.hold = Hold::Nothing;
            socket.resume.wake();
            client.session.resumed(now);
        }
        if socket.hold != Hold::Nothing {
            client.session.resumed(now);
            return None;
        }
        client.session.overdue(now).map(|due| (due.close, due.cause))
    }

    /// All slots were examined.
    fn looked(&self, look: &Look) {
        self.shared
            .metrics
            .mqtt_full_queues
            .inc_by(look.full - self.full_queues.replace(look.full));
        self.release_held();
        self.close_early();
        self.hold_to_rules();
        if self.number() == 0 {
            self.sweep();
        }
        self.tell();
    }

    /// Applies the current users and access rules to the sessions.
    fn hold_to_rules(&self) {
        let generation = self.shared.access.generation();
        if self.rules_generation.replace(generation) != generation {
            self.close_unknown();
            self.ask_rules_anew();
            if self.number() == 0 {
                self.look_for_unknown();
            }
        }
    }

    /// Closes connections of clients that are no longer authorised to connect.
    fn close_unknown(&self) {
        let is_known = |client: &Client| self.shared.access.is_known(&client.identity);
        let mut unknown = Vec::new();
        for (key, slot) in self.slots.borrow_mut().slab.iter_mut() {
            if slot.client.as_deref().is_some_and(|client| !is_known(client)) {
                unknown.push(key);
            }
        }
        for key in unknown {
            self.close(key, &Close::Reason(NOT_AUTHORIZED), "not-authorized");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_of_a_worker_that_panics_is_told_by_its_name_and_the_others_go_on() {
        let supervisor = Supervisor::default();
        let tasks = tokio::task::LocalSet::new();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        tasks
            .run_until(async {
                supervise(&supervisor, "mqtt-3-turns".to_owned(), async { panic!("on purpose") });
                supervise(&supervisor, "mqtt-3-clock".to_owned(), async {
                    sender.send(()).expect("somebody waits");
                    std::future::pending().await
                });
                assert_eq!(supervisor.ended_unasked().await, "mqtt-3-turns");
                receiver.await.expect("the clock goes on");
            })
            .await;
    }
}
