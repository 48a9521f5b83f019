//! A session's cached facts about a topic, besides those of the mappings.

use std::sync::Arc;

use super::router::{Route, Router};
use crate::{
    auth::{Access, Identity},
    model::CommandTracker,
};

/// The cached facts about one topic that a session publishes on: each with the generation for which
/// it holds, 0 for none.
#[derive(Debug, Default)]
pub(super) struct TopicFacts {
    access_generation: u64,
    may_publish: bool,
    route_generation: u64,
    /// `None` if nobody subscribes.
    route: Option<Arc<Route>>,
    receipt_generation: u64,
    is_receipt: bool,
}

/// The maximum number of receivers in a cached route. A longer one is looked up for each message:
/// that costs little compared with so many deliveries.
const RECEIVERS_KEPT: usize = 128;

impl TopicFacts {
    /// Whether the rules let the session publish on the topic.
    pub(super) fn may_publish(&mut self, access: &Access, who: &Identity, topic: &str) -> bool {
        // Before the rules, so that the cached fact is never older than its generation.
        let generation = access.generation();
        if self.access_generation != generation {
            self.may_publish = access.rules().may_publish(who, topic);
            self.access_generation = generation;
        }
        self.may_publish
    }

    /// Whether receipts of commands are published on the topic.
    pub(super) fn is_receipt(&mut self, tracker: &dyn CommandTracker, topic: &str) -> bool {
        let generation = tracker.generation();
        if self.receipt_generation != generation {
            self.is_receipt = tracker.is_receipt_topic(topic);
            self.receipt_generation = generation;
        }
        self.is_receipt
    }

    /// The receivers of the topic; `None` if there are none.
    pub(super) fn route(&mut self, router: &Router, topic: &str) -> Option<Arc<Route>> {
        if self.route_generation == router.generation() {
            return self.route.clone();
        }
        let (route, generation) = router.route(topic);
        let is_kept = route.receivers.len() <= RECEIVERS_KEPT;
        let route = (!route.is_empty()).then(|| Arc::new(route));
        if is_kept {
            self.route_generation = generation;
            self.route.clone_from(&route);
        } else {
            self.route_generation = 0;
            self.route = None;
        }
        route
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::Options,
        env::{Clock, Supervisor, SystemClock},
        model::SessionId,
        mqtt::{
            router::{Filter, RetainedLimits, Subscriber},
            wire::Qos,
        },
        telemetry::{HealthBoard, Metrics},
    };

    #[test]
    fn cached_facts_are_looked_up_again_when_rules_or_subscriptions_change() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let metrics = Arc::new(Metrics::new(HealthBoard::default()));
        let access = Access::load(&Options::default(), &clock, &metrics, &Supervisor::default());
        let access = access.expect("no file is read");
        let identity = Identity::anonymous("c".into());
        let router = Router::new(RetainedLimits { count_max: 1, bytes_max: 1 });
        let mut facts = TopicFacts::default();
        for _ in 0..2 {
            assert!(facts.may_publish(&access, &identity, "commands/1"));
            assert!(facts.route(&router, "commands/1").is_none());
        }
        access.set_command_topics(vec!["commands/+".to_owned()]);
        assert!(!facts.may_publish(&access, &identity, "commands/1"));
        let filter = Filter::read("commands/+").expect("well formed");
        for number in 0..=RECEIVERS_KEPT as u64 {
            let subscriber = Subscriber {
                session: SessionId { worker: 0, number },
                qos: Qos::AtMostOnce,
                no_local: false,
                retain_as_published: false,
                is_asked: false,
                id: None,
            };
            router.subscribe(filter, subscriber, &Arc::default());
            let route = facts.route(&router, "commands/1").expect("somebody subscribes");
            assert_eq!(route.receivers.len() as u64, number + 1);
        }
        assert!(facts.route.is_none(), "too long to be remembered");
    }
}
