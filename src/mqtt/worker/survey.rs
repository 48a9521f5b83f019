//! Operators' queries about sessions: lists, details, and ending them.
//!
//! Every worker examines its own slots, in pieces, so that its connections have their turns in
//! between. It keeps the first matches in the order of [`SessionMark`], and returns only these; the
//! caller merges the workers' answers.

use std::{collections::BTreeMap, sync::Arc, vec};

use ntex_io::types::PeerAddr;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    mailbox::{Mail, Workers},
    slot::{Client, Hold, SlotKey, Socket},
    thread::Worker,
};
use crate::{
    model::{
        AdminAnswer, ConnectionView, EdgeTimeout, SessionAdmin, SessionFilter, SessionMark,
        SessionPage, SessionView, SubscriptionView,
    },
    mqtt::close::{ADMINISTRATIVE_ACTION, Close},
};

/// Positions of the slab that one turn examines: about 100 µs.
const LOOKED_A_TURN: usize = 1024;
/// Sessions that one turn describes or ends: each asks the kernel for an address.
const TOLD_A_TURN: usize = 64;

/// The query to every worker.
#[derive(Debug)]
pub(super) struct Wanted {
    filter: SessionFilter,
    after: Option<SessionMark>,
    limit: usize,
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    List,
    /// With the subscriptions of each.
    Show,
    End,
}

/// One worker's part of a query, and its progress.
#[derive(Debug)]
pub(in crate::mqtt) struct Survey {
    wanted: Arc<Wanted>,
    step: Step,
    reply: oneshot::Sender<Surveyed>,
    /// The permit of a request that waits for a worker, until it is answered.
    _turn: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Step {
    /// At a position of the slab, with the first `limit + 1` matches.
    Look { place: usize, found: BTreeMap<SessionMark, SlotKey> },
    /// These sessions are still to be described.
    Tell { left: vec::IntoIter<SlotKey>, said: Surveyed },
}

/// A worker's answer.
#[derive(Debug, Default)]
struct Surveyed {
    page: SessionPage,
    ended: usize,
}

impl Worker {
    /// Processes one piece of a query, and leaves the rest to the next turn.
    pub(super) fn survey(&self, survey: Survey) {
        let Survey { wanted, step, reply, _turn } = survey;
        if reply.is_closed() {
            return; // The caller is gone.
        }
        let step = match step {
            Step::Look { place, mut found } => match self.look(&wanted, place, &mut found) {
                Some(place) => Step::Look { place, found },
                None => {
                    let is_more = found.len() > wanted.limit;
                    let keys: Vec<SlotKey> = found.into_values().take(wanted.limit).collect();
                    let page = SessionPage { sessions: Vec::new(), is_more };
                    Step::Tell { left: keys.into_iter(), said: Surveyed { page, ended: 0 } }
                }
            },
            Step::Tell { mut left, mut said } => {
                for key in left.by_ref().take(TOLD_A_TURN) {
                    if wanted.purpose == Purpose::End {
                        said.ended += usize::from(self.kick(key));
                    } else {
                        said.page.sessions.extend(self.view(key, wanted.purpose));
                    }
                }
                if left.len() == 0 {
                    // The caller may be gone.
                    return drop(reply.send(said));
                }
                Step::Tell { left, said }
            }
        };
        self.mail.send(Mail::Survey(Survey { wanted, step, reply, _turn })).unwrap_or_default();
    }

    /// Examines a piece of the slab; returns where to continue.
    fn look(
        &self,
        wanted: &Wanted,
        place: usize,
        found: &mut BTreeMap<SessionMark, SlotKey>,
    ) -> Option<usize> {
        let slots = self.slots.borrow();
        for (key, slot) in slots.slab.piece(place, LOOKED_A_TURN)? {
            // A session whose connection has ended only waits for its lanes.
            let (Some(client), Some(socket)) = (&slot.client, &slot.socket) else { continue };
            let name = (&*client.id, client.identity.username());
            let is_behind = |mark: &SessionMark| name > (&mark.client_id, mark.user.as_deref());
            let is_full = found.len() > wanted.limit;
            if !wanted.after.as_ref().is_none_or(is_behind)
                || (is_full && found.last_key_value().is_some_and(|(last, _)| is_behind(last)))
                || !matches(&wanted.filter, client, socket)
            {
                continue;
            }
            found.insert(mark(client), key);
            if is_full {
                found.pop_last();
            }
        }
        Some(place + LOOKED_A_TURN)
    }

    /// Ends a session on request of an operator; returns whether it existed.
    fn kick(&self, key: SlotKey) -> bool {
        let is_there = self.slots.borrow_mut().get_mut(key).is_some_and(|slot| {
            let id = slot.client.as_ref().filter(|_| slot.socket.is_some()).map(|it| &it.id);
            id.inspect(|id| tracing::info!(client = %id, "a session is ended by an operator"))
                .is_some()
        });
        if is_there {
            // It is deleted with its subscriptions and queue.
            if let Some(client) =
                self.slots.borrow_mut().get_mut(key).and_then(|slot| slot.client.as_mut())
            {
                client.said_goodbye(true, Some(0));
            }
            self.close(key, &Close::Reason(ADMINISTRATIVE_ACTION), "administrative-action");
        }
        is_there
    }

    fn view(&self, key: SlotKey, purpose: Purpose) -> Option<SessionView> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(key)?;
        let (socket, client) = (slot.socket.as_ref()?, slot.client.as_ref()?);
        let Client { identity, session, protocol, connected_at, vehicles, dropped, .. } = &**client;
        let outbound = session.outbound.as_deref();
        let filters = outbound.filter(|_| purpose == Purpose::Show).into_iter();
        let filters = filters.flat_map(|outbound| outbound.subscriptions());
        let filters = filters.map(|(filter, subscription)| SubscriptionView {
            filter: filter.to_owned(),
            qos: subscription.options.qos as u8,
            no_local: subscription.options.no_local,
            retain_as_published: subscription.options.retain_as_published,
            id: subscription.id.map(std::num::NonZero::get),
        });
        let vehicles = vehicles.iter().flat_map(|vehicles| vehicles.known());
        Some(SessionView {
            mark: mark(client),
            vehicle: identity.vehicle().map(Into::into),
            vehicles: vehicles.map(|vehicle| Arc::clone(&vehicle.name)).collect(),
            protocol: Some(*protocol),
            connection: Some(ConnectionView {
                address: socket.io.query::<PeerAddr>().get().map(PeerAddr::into_inner),
                connected_at: *connected_at,
                last_packet_at: self.wall_at(session.heard()),
                keep_alive_seconds: session.terms().keep_alive.into(),
                is_paused: socket.hold != Hold::Nothing,
            }),
            away_since: None,
            expiry_seconds: client.lasting.as_ref().map_or(0, |lasting| lasting.expiry),
            subscriptions: outbound.map_or(0, |outbound| outbound.subscriptions().len()),
            filters: filters.take(SessionView::FILTERS_MAX).collect(),
            queued: outbound.map_or(0, |outbound| outbound.len()),
            queued_bytes: outbound.map_or(0, |outbound| outbound.bytes()),
            in_flight: outbound.map_or(0, |outbound| outbound.in_flight()),
            unacknowledged: session.unacknowledged(),
            dropped: *dropped,
        })
    }
}

fn mark(client: &Client) -> SessionMark {
    let user = client.identity.username().map(Into::into);
    SessionMark { client_id: Arc::clone(&client.id), user }
}

fn matches(filter: &SessionFilter, client: &Client, socket: &Socket) -> bool {
    let SessionFilter { client: id, user, vehicle, connected, .. } = filter;
    let SessionFilter { backlog_min, dropped_min, search, .. } = filter;
    let queued = client.session.outbound.as_ref().map_or(0, |outbound| outbound.len());
    id.as_ref().is_none_or(|id| **id == *client.id)
        && user.as_ref().is_none_or(|user| user.as_deref() == client.identity.username())
        && connected.is_none_or(|connected| connected)
        && queued as u64 >= *backlog_min
        && client.dropped >= *dropped_min
        && vehicle.as_ref().is_none_or(|vehicle| speaks_for(client, vehicle))
        && search.as_ref().is_none_or(|search| is_found(search, client, socket))
}

fn speaks_for(client: &Client, vehicle: &str) -> bool {
    let mut known = client.vehicles.iter().flat_map(|vehicles| vehicles.known());
    client.identity.vehicle() == Some(vehicle) || known.any(|known| *known.name == *vehicle)
}

fn is_found(search: &str, client: &Client, socket: &Socket) -> bool {
    let has = |text: &str| text.to_ascii_lowercase().contains(search);
    let identity = &client.identity;
    let mut known = client.vehicles.iter().flat_map(|vehicles| vehicles.known());
    // The kernel is asked for an address only if the text can be one.
    let may_be_address =
        search.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:[]".contains(&byte));
    let address = || socket.io.query::<PeerAddr>().get().map(PeerAddr::into_inner);
    has(&client.id)
        || identity.username().is_some_and(has)
        || identity.vehicle().is_some_and(has)
        || known.any(|known| has(&known.name))
        || (may_be_address && address().is_some_and(|address| has(&address.to_string())))
}

impl Workers {
    /// Asks every worker, and merges their answers.
    async fn survey(&self, wanted: Wanted) -> Surveyed {
        let wanted = Arc::new(wanted);
        // All letters are sent before the first answer is awaited.
        let mut replies = Vec::new();
        for mailbox in self.all() {
            let Ok(turn) = mailbox.requests.acquire_owned().await else { continue };
            let (reply, replied) = oneshot::channel();
            let step = Step::Look { place: 0, found: BTreeMap::new() };
            let survey = Survey { wanted: Arc::clone(&wanted), step, reply, _turn: turn };
            // A worker that has ended has no sessions any more.
            if mailbox.mail.send(Mail::Survey(survey)).is_ok() {
                replies.push(replied);
            }
        }
        let mut all = Surveyed::default();
        for replied in replies {
            let Surveyed { page, ended } = replied.await.unwrap_or_default();
            all.page.is_more |= page.is_more;
            all.page.sessions.extend(page.sessions);
            all.ended += ended;
        }
        self.survey_absent(&wanted, &mut all).await;
        let SessionPage { sessions, is_more } = &mut all.page;
        sessions.sort_unstable_by(|one, other| one.mark.cmp(&other.mark));
        *is_more |= sessions.len() > wanted.limit;
        sessions.truncate(wanted.limit);
        all
    }

    /// Adds disconnected sessions.
    async fn survey_absent(&self, wanted: &Wanted, all: &mut Surveyed) {
        let Some(absent) = self.absent() else { return };
        let Wanted { filter, after, limit, purpose } = wanted;
        let mut found = absent.find(filter, after.as_ref(), *limit).await;
        if *purpose == Purpose::End {
            found.truncate(limit.saturating_sub(all.ended));
            self.end_absent(&found);
            all.ended += found.len();
        } else {
            let views =
                found.iter().map(|(_, facts)| absent.view(facts, *purpose == Purpose::Show));
            all.page.sessions.extend(views);
        }
    }

    async fn surveyed(&self, wanted: Wanted) -> Result<Surveyed, EdgeTimeout> {
        self.in_time(self.survey(wanted)).await
    }
}

impl SessionAdmin for Workers {
    fn page(
        &self,
        filter: SessionFilter,
        after: Option<SessionMark>,
        limit: usize,
    ) -> AdminAnswer<'_, SessionPage> {
        let wanted = Wanted { filter, after, limit, purpose: Purpose::List };
        Box::pin(async move { Ok(self.surveyed(wanted).await?.page) })
    }

    fn show(&self, filter: SessionFilter, limit: usize) -> AdminAnswer<'_, Vec<SessionView>> {
        let wanted = Wanted { filter, after: None, limit, purpose: Purpose::Show };
        Box::pin(async move { Ok(self.surveyed(wanted).await?.page.sessions) })
    }

    fn end(&self, filter: SessionFilter, limit: usize) -> AdminAnswer<'_, usize> {
        let wanted = Wanted { filter, after: None, limit, purpose: Purpose::End };
        Box::pin(async move { Ok(self.surveyed(wanted).await?.ended) })
    }
}
