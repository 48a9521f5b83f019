//! Answers to callers, sent when a turn is durable.

use tokio::sync::oneshot;

use super::{
    job::{Cancelling, Placed, Refused},
    pushes::Asked,
    turn::{Engine, NewCommand, Turn},
};
use crate::downlink::record::{Record, Request};

/// An answer that waits for the commit.
#[derive(Debug)]
pub(super) enum Reply {
    Create(Vec<Result<Place, Refused>>, oneshot::Sender<Vec<Result<Placed, Refused>>>),
    Cancel(Result<Cancelling, Refused>, oneshot::Sender<Result<Cancelling, Refused>>),
    Push(Result<Asked, Refused>, oneshot::Sender<Result<Asked, Refused>>),
    Wait(oneshot::Sender<()>),
}

/// Where the command of an answer is.
#[derive(Debug)]
pub(super) enum Place {
    /// Created in this turn.
    New(i64),
    /// Created in this turn by an earlier request with the same key.
    Again(i64),
    /// On disk.
    Known(Box<Record>),
}

impl Place {
    /// Whether it existed before.
    pub(super) fn is_repeat(&self) -> bool {
        !matches!(self, Self::New(_))
    }
}

impl Engine {
    /// Sends an answer; a caller that is gone needs none.
    pub(super) fn answer(&self, reply: Reply, turn: &Turn) {
        match reply {
            Reply::Create(places, reply) => {
                let placed = places.into_iter();
                let placed = placed.map(|place| place.map(|place| self.placed(place, turn)));
                drop(reply.send(placed.collect()));
            }
            Reply::Cancel(answer, reply) => drop(reply.send(answer)),
            Reply::Push(answer, reply) => drop(reply.send(answer)),
            Reply::Wait(reply) => reply.send(()).unwrap_or_default(),
        }
    }

    fn placed(&self, place: Place, turn: &Turn) -> Placed {
        let (seq, is_repeat) = match place {
            Place::New(seq) => (seq, false),
            Place::Again(seq) => (seq, true),
            Place::Known(record) => return Placed { record: *record, is_repeat: true },
        };
        let NewCommand { request, created_ms } = &turn.created[&seq];
        let update =
            self.open_commands.get(seq).expect("it is forgotten after its answer").update();
        let changes = turn.changes.iter();
        let history = changes.filter(|row| row.command == seq).map(|row| row.change.clone());
        let record = Record {
            seq,
            request: Request::clone(request),
            created_ms: *created_ms,
            state: update.state,
            cause: update.cause,
            cancel_requested: update.cancel_requested,
            maybe_received: update.maybe_received,
            history: history.collect(),
            evidence: None,
            verified: None,
        };
        Placed { record, is_repeat }
    }
}
