//! A call turn: what the store wants of the platform now, committed first, then handed to the sender (INV-C).

use crate::domain::store::command::Command;
use crate::domain::store::outcome::Reply;
use crate::ids::CallId;
use crate::keeper::call_sender;
use crate::keeper::commit::Decided;
use crate::keeper::core::KeeperCore;
use crate::keeper::exit::Exit;
use crate::keeper::progress::Doing;
use crate::keeper::settings::Moment;

impl KeeperCore {
    /// Plans and commits one call if one is wanted and none is under way; tells whether there was one. Who is to live
    /// on elsewhere calls from there.
    ///
    /// # Errors
    /// How the keeper ends.
    pub(super) async fn call_turn(&mut self) -> Result<bool, Exit> {
        let now = self.now();
        let may_call = !self.slot.call_in_flight() && !self.slot.is_wanted_elsewhere();
        if !may_call || !self.may_work() || !self.state.wants_call(now) {
            return Ok(false);
        }
        self.slot.progress.begin(Doing::Call, now);
        self.shared.reach(self.slot.store, Moment::Call);
        let fence = self.fence;
        let command = Command::PlanCall {
            fresh: CallId(self.shared.deps.ids.ordered_uuid(now)),
        };
        self.load_orders([&command]).await?;
        let mut decided = Decided::default();
        let planned = self
            .state
            .apply(now, command)
            .map(|outcome| decided.absorb(outcome));
        let (reply, call) = planned.unwrap_or_else(|refusal| {
            tracing::error!(store = %self.slot.store, %refusal, "call not planned");
            (Reply::NoCall, None)
        });
        // Also when nothing is to be done after all: what was dirty is no longer, and without that written down the
        // store would count as due for ever, and be shown as busy.
        self.commit(fence, decided).await?;
        self.slot.moved();
        let Some(call) = call else {
            return Ok(reply != Reply::NoCall);
        };
        call_sender::send(&self.shared, &self.slot, call);
        Ok(true)
    }
}
