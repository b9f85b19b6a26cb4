//! What callers and the platform's answers ask of a store: decided in order, committed together, answered after.

use crate::clock::Timestamp;
use crate::db::{DbError, dead_letters, idempotency};
use crate::domain::call::Answer;
use crate::domain::store::change::{Change, IdempotentReply};
use crate::domain::store::command::Command;
use crate::domain::store::letter_edit::LetterEdit;
use crate::domain::store::outcome::{Refusal, Reply};
use crate::ids::{CallId, DeadLetterId};
use crate::keeper::commit::Decided;
use crate::keeper::core::KeeperCore;
use crate::keeper::exit::Exit;
use crate::keeper::handle::{Answered, CommandError, IdempotencyKey, Waiting};
use crate::keeper::progress::Doing;
use crate::keeper::settings::Moment;

type Outcome = Result<Answered, CommandError>;

/// Replies that leave once the commit is durable. Dropped without it, their callers learn that nobody knows.
#[derive(Debug, Default)]
struct Replies(Vec<(Waiting, Outcome)>);

impl Replies {
    fn leave(self) {
        for (waiting, outcome) in self.0 {
            // A caller that gave up waiting asks again under its key.
            let _told = waiting.reply.send(outcome).is_ok();
        }
    }
}

impl KeeperCore {
    /// Decides the platform's answer, if one came, and the next waiting commands; tells whether there were any.
    ///
    /// # Errors
    /// How the keeper ends. The callers of what was taken learn that the outcome is unknown; those still in line are
    /// served by the successor.
    pub(super) async fn take_commands(&mut self) -> Result<bool, Exit> {
        let answer = self.slot.take_answer();
        if answer.is_some() {
            self.slot.requeue_deferred();
        }
        let waiting = self
            .slot
            .take_commands(self.shared.settings.commands_per_commit_max);
        if answer.is_none() && waiting.is_empty() {
            return Ok(false);
        }
        self.slot.progress.begin(Doing::Commands, self.now());
        let fence = self.fence;
        let answer = answer.map(|(call, answer)| answered(call, answer));
        self.load_orders(
            answer
                .iter()
                .chain(waiting.iter().map(|waiting| &waiting.envelope.command)),
        )
        .await?;
        let mut decided = Decided::default();
        let store = self.slot.store;
        if let Some(answer) = answer {
            self.shared.reach(store, Moment::Answer);
            self.decide_answer(answer, &mut decided);
        }
        let mut replies = Replies::default();
        for waiting in waiting {
            self.shared.reach(store, Moment::Command);
            self.decide_command(waiting, &mut decided, &mut replies)
                .await?;
        }
        self.commit(fence, decided).await?;
        self.slot.moved();
        replies.leave();
        Ok(true)
    }

    fn decide_answer(&mut self, answer: Command, decided: &mut Decided) {
        match self.state.apply(self.now(), answer) {
            Ok(outcome) => drop(decided.absorb(outcome)),
            // The answer to a question that a predecessor asked: it is asked again if it still matters.
            Err(refusal) => tracing::debug!(store = %self.slot.store, %refusal, "answer of no use"),
        }
    }

    async fn decide_command(
        &mut self,
        waiting: Waiting,
        decided: &mut Decided,
        replies: &mut Replies,
    ) -> Result<(), Exit> {
        if let Some(outcome) = self.earlier_reply(&waiting, decided).await? {
            replies.0.push((waiting, outcome));
            return Ok(());
        }
        let now = self.now();
        let command = waiting.envelope.command.clone();
        let reply = match self.settled_before(&command, decided).await? {
            Some(reply) => reply,
            None => self
                .state
                .apply(now, command)
                .map(|outcome| decided.absorb(outcome).0),
        };
        if matches!(reply, Ok(Reply::Waiting)) {
            self.slot.defer(waiting);
            return Ok(());
        }
        if let Some(key) = &waiting.envelope.idempotency {
            decided.changes.put(remembered(key, &reply, now));
        }
        replies.0.push((
            waiting,
            reply.map(Answered::Fresh).map_err(CommandError::Refused),
        ));
        Ok(())
    }

    /// What a command is answered whose dead letter is gone: a second click. The rules do not know which dead letters
    /// there are, and would bring back a row that has no body.
    async fn settled_before(
        &self,
        command: &Command,
        decided: &Decided,
    ) -> Result<Option<Result<Reply, Refusal>>, Exit> {
        let (id, reply) = match command {
            Command::RetryDeadLetter { id, .. } => (*id, Err(Refusal::NothingToRetry)),
            Command::DiscardDeadLetter(id) => (*id, Ok(Reply::Done)),
            Command::TakeRow(_)
            | Command::RowCrashed { .. }
            | Command::PlanCall { .. }
            | Command::CallAnswered { .. }
            | Command::PutBundle(_)
            | Command::DeleteBundle { .. }
            | Command::PutPolicy { .. }
            | Command::Pause { .. }
            | Command::Resume
            | Command::ReconcileNow
            | Command::SweepNaked { .. }
            | Command::TokenRenewed => return Ok(None),
        };
        if settles(decided, id) || !self.has_dead_letter(id).await? {
            return Ok(Some(reply));
        }
        if let Command::RetryDeadLetter {
            edit: Some(edit), ..
        } = command
        {
            let refusal = self.outdated(id, edit).await?;
            return Ok(refusal.map(Err));
        }
        Ok(None)
    }

    /// Why an edit cannot be made: it is one of another body than the dead letter has, as of the last commit.
    async fn outdated(&self, id: DeadLetterId, edit: &LetterEdit) -> Result<Option<Refusal>, Exit> {
        let db = self.shared.deps.db.clone();
        let found = self
            .shared
            .home
            .serve(async move { dead_letters::body_digest(&db, id).await })
            .await
            .map_err(|error| Exit::load_failed("look at a dead letter's body", &error))?;
        Ok(match found {
            Some(digest) if digest == edit.seen => None,
            Some(_) => Some(Refusal::LetterChanged),
            None => Some(Refusal::NothingToRetry),
        })
    }

    /// Whether the store has this dead letter, as of the last commit; nobody else writes it.
    async fn has_dead_letter(&self, id: DeadLetterId) -> Result<bool, Exit> {
        let db = self.shared.deps.db.clone();
        let found = self
            .shared
            .home
            .serve(async move { dead_letters::get(&db, id).await })
            .await;
        match found {
            Ok(letter) => Ok(letter.store == self.slot.store),
            Err(DbError::NotFound(_)) => Ok(false),
            Err(error) => Err(Exit::load_failed("look up a dead letter", &error)),
        }
    }

    /// The reply already given under the same key, in this commit or an earlier one.
    async fn earlier_reply(
        &self,
        waiting: &Waiting,
        decided: &Decided,
    ) -> Result<Option<Outcome>, Exit> {
        let Some(key) = &waiting.envelope.idempotency else {
            return Ok(None);
        };
        if let Some(earlier) = undurable_reply(decided, &key.key) {
            return Ok(Some(repeated(key, earlier)));
        }
        let (db, store) = (self.shared.deps.db.clone(), self.slot.store);
        let asked = key.key.clone();
        let earlier = self
            .shared
            .home
            .serve(async move { idempotency::find(&db, store, &asked).await })
            .await
            .map_err(|error| Exit::load_failed("look up an idempotency key", &error))?;
        Ok(earlier.map(|earlier| repeated(key, &earlier)))
    }
}

fn answered(call: CallId, answer: Answer) -> Command {
    Command::CallAnswered { call, answer }
}

/// Whether this commit settles the dead letter already.
fn settles(decided: &Decided, id: DeadLetterId) -> bool {
    let mut settled = decided.changes.rows().filter_map(Change::settled_letter);
    settled.any(|settled| settled == id)
}

/// A reply that shares this commit.
fn undurable_reply<'decided>(
    decided: &'decided Decided,
    key: &str,
) -> Option<&'decided IdempotentReply> {
    decided.changes.rows().find_map(|change| {
        if let Change::PutIdempotentReply(reply) = change {
            (reply.key == key).then_some(reply)
        } else {
            None
        }
    })
}

fn repeated(key: &IdempotencyKey, earlier: &IdempotentReply) -> Outcome {
    if earlier.digest == key.digest {
        Ok(Answered::Repeated {
            status: earlier.status,
            body: earlier.body.clone(),
        })
    } else {
        Err(CommandError::KeyReused)
    }
}

fn remembered(key: &IdempotencyKey, reply: &Result<Reply, Refusal>, at: Timestamp) -> Change {
    let (status, body) = (key.render)(reply);
    Change::PutIdempotentReply(IdempotentReply {
        key: key.key.clone(),
        digest: key.digest.clone(),
        status,
        body,
        at,
    })
}
