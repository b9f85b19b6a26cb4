//! Calls on their way to the platform and back: lost, late, refused, answered twice or not at all.

use storekeeper::domain::call::{Answer, Call, CallError, Request, UserError, UserErrorCode};
use storekeeper::ids::CallId;

use crate::host::Host;
use crate::planted::Plant;
use crate::rules::Rule;
use crate::run::{Event, Flight, Run};

/// As in the keeper's settings.
const TIMEOUT_MS: i64 = 30_000;
/// How much longer than the sender waits a call can be under way.
const STRAY_MS: i64 = 3_000;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    LostBefore,
    LostAfter,
    AnsweredTwice,
    Throttled,
    Unavailable,
    Busy,
    /// The platform refuses it and does not say what of it.
    Unexplained,
}

const TROUBLES: [(i64, Trouble); 7] = [
    (3, Trouble::LostBefore),
    (5, Trouble::LostAfter),
    (2, Trouble::AnsweredTwice),
    (1, Trouble::Throttled),
    (2, Trouble::Unavailable),
    (1, Trouble::Busy),
    (1, Trouble::Unexplained),
];

impl Run {
    /// Hands a call to the sender.
    pub(crate) fn send(&mut self, index: usize, host: &mut Host, call: Call) {
        let ghost = &self.site(index).ghost;
        let is_committed = match &call.request {
            Request::Write(write) => ghost.written_down.get(&call.id) == Some(write),
            Request::Read(_) => ghost.calls_planned.contains(&call.id),
        };
        if !is_committed {
            let id = call.id;
            self.fail(Rule::CommittedFirst, || {
                format!("call {id} leaves uncommitted")
            });
        }
        host.slot.call_in_flight = true;
        let flight = self.number();
        let (usual_ms, longest_ms) = if self.cleared {
            (50, 100)
        } else {
            (self.weather.latency_ms, TIMEOUT_MS + STRAY_MS)
        };
        let is_late = self.chance.hits(60);
        let longest_ms = if is_late { longest_ms } else { usual_ms };
        let after_ms = self.chance.between(0, longest_ms);
        self.flights.insert(
            flight,
            Flight {
                site: index,
                epoch: host.epoch,
                call,
                is_answered: false,
            },
        );
        self.at(after_ms, Event::Reach(flight));
        self.at(TIMEOUT_MS, Event::TimedOut(flight));
    }

    /// A call comes to the platform.
    pub(crate) fn reach(&mut self, number: u64) {
        let Some(flight) = self.flights.get(&number).cloned() else {
            return;
        };
        let trouble = if self.chance.hits(self.weather.calls_fail) {
            self.chance.weighted(&TROUBLES)
        } else {
            None
        };
        let error = match trouble {
            Some(Trouble::LostBefore) => return,
            Some(Trouble::Throttled) => Some(CallError::Throttled {
                wait_ms: Some(2_000),
            }),
            Some(Trouble::Unavailable) => Some(CallError::Unavailable {
                reason: "down".to_owned(),
            }),
            Some(Trouble::Busy) => Some(CallError::Busy),
            Some(Trouble::LostAfter | Trouble::AnsweredTwice | Trouble::Unexplained) | None => None,
        };
        let mut answer = match error {
            Some(error) => Answer {
                result: Err(error),
                rate: None,
                platform_time: None,
            },
            None => self.execute(&flight),
        };
        if trouble == Some(Trouble::Unexplained) {
            forget_entries(&mut answer);
        }
        if trouble == Some(Trouble::LostAfter) {
            let tells_early = self.chance.hits(500);
            if tells_early {
                answer.result = Err(CallError::Ambiguous {
                    reason: "connection reset".to_owned(),
                });
                answer.rate = None;
                self.answer(number, answer);
            }
            return;
        }
        if trouble == Some(Trouble::AnsweredTwice) {
            self.answer(number, answer.clone());
        }
        self.answer(number, answer);
    }

    fn execute(&mut self, flight: &Flight) -> Answer {
        let now = self.now;
        let mut call = flight.call.clone();
        if self.planted == Some(Plant::KeyRenewed) {
            call.id = CallId(self.chance.uuid());
        }
        let site = self.site(flight.site);
        site.shop.live_until(now);
        let mut executed = site.shop.execute(&call);
        if site.plan.silent {
            executed.answer.rate = None;
        }
        let (crowded, store) = (site.plan.crowded, site.store);
        if executed.took_effect {
            site.ghost.effects += 1;
            site.ghost.last_effect_at = now;
        }
        if executed.throttled && !crowded {
            self.fail(Rule::WithinBucket, || {
                format!("store {store}: {:?} refused", flight.call.request)
            });
        }
        if let Err(CallError::Rejected { errors }) = &executed.answer.result {
            let mismatch = UserErrorCode::Other("IDEMPOTENCY_KEY_PARAMETER_MISMATCH".to_owned());
            if errors.iter().any(|error| error.code == mismatch) {
                let id = flight.call.id;
                self.fail(Rule::OneKeyOneEffect, || {
                    format!("key {id} used for something else")
                });
            }
        }
        self.say(|| {
            format!(
                "store {store}: platform {:?} -> {:?}",
                flight.call, executed.answer.result
            )
        });
        self.tell(flight.site);
        executed.answer
    }

    fn answer(&mut self, flight: u64, answer: Answer) {
        let after_ms = self.chance.delay_ms(self.weather.latency_ms, 10_000);
        let after_ms = if self.cleared {
            after_ms.min(300)
        } else {
            after_ms
        };
        self.at(after_ms, Event::Answered(flight, Box::new(answer)));
    }

    /// An answer comes back to the host that asked, if there is one still.
    pub(crate) fn answered(&mut self, number: u64, answer: Answer) {
        let Some(flight) = self.flights.get_mut(&number) else {
            return;
        };
        let is_second = std::mem::replace(&mut flight.is_answered, true);
        let (index, epoch, call) = (flight.site, flight.epoch, flight.call.id);
        if is_second && !self.chance.hits(500) {
            return;
        }
        self.bring(index, epoch, (call, answer));
    }

    pub(crate) fn timed_out(&mut self, number: u64) {
        let Some(flight) = self.flights.get_mut(&number) else {
            return;
        };
        if std::mem::replace(&mut flight.is_answered, true) {
            return;
        }
        let (index, epoch, call) = (flight.site, flight.epoch, flight.call.id);
        let answer = Answer {
            result: Err(CallError::Ambiguous {
                reason: "no answer within the time limit".to_owned(),
            }),
            rate: None,
            platform_time: None,
        };
        self.bring(index, epoch, (call, answer));
    }

    fn bring(&mut self, index: usize, epoch: u64, answer: (CallId, Answer)) {
        let now = self.now;
        let site = self.site(index);
        let mut hosts = std::iter::once(&mut *site.host).chain(&mut site.frozen);
        let Some(host) = hosts.find(|host| host.epoch == epoch) else {
            return;
        };
        host.slot.call_in_flight = false;
        host.slot.answer = Some(answer);
        self.wake_at(index, epoch, now);
    }
}

fn forget_entries(answer: &mut Answer) {
    if let Err(CallError::Rejected { errors }) = &mut answer.result {
        for UserError { entry, .. } in errors {
            *entry = None;
        }
    }
}
