//! Owns the other hands in a shop: the editor who changes stock between an
//! app's read and its write, and the app that sets ours back.

use super::{
    faults::OutsiderFaults,
    ids::LevelKey,
    oracle::{Cause, Outsider},
    platform::Platform,
};

impl Platform {
    /// Lets outsiders act after a call that read and wrote these levels.
    pub(super) fn let_outsiders_act(&self, domain: &str, read: &[LevelKey], wrote: &[LevelKey]) {
        let faults = self.faults();
        if !read.is_empty() && self.chance.per_mille(faults.outsiders.editor_per_mille) {
            self.let_editor_act(domain, &faults.outsiders, read);
        }
        for key in wrote {
            self.let_rival_act(domain, &faults.outsiders, *key);
        }
    }

    fn let_editor_act(&self, domain: &str, faults: &OutsiderFaults, read: &[LevelKey]) {
        let most = i64::from(faults.editor_units_max);
        let delta = self.chance.between(-most, most);
        let Some(key) = self.chance.pick(read).copied() else {
            return;
        };
        let edited = self.act(domain, |shop, action| {
            let Some(before) = shop.levels.get(&key).map(|level| level.available) else {
                return Ok(());
            };
            let by = Outsider::Editor;
            // An editor types a number, and never a negative one.
            let wanted = (before + delta).max(0);
            shop.edit_from_outside(action, key, wanted, Cause::OutsideEdit { by });
            Ok(())
        });
        tracing::trace!(edited = edited.is_ok(), "editor acted");
    }

    fn let_rival_act(&self, domain: &str, faults: &OutsiderFaults, key: LevelKey) {
        let concerned =
            |fight: &&super::faults::Fight| fight.domain == domain && fight.item == key.item;
        let Some(fight) = faults.fights.iter().find(concerned) else {
            return;
        };
        let struck = self.act(domain, |shop, action| {
            let rounds = shop.fights.entry(key.item).or_default();
            if *rounds < fight.rounds_max {
                *rounds += 1;
                let by = Outsider::FightingApp;
                let cause = Cause::OutsideEdit { by };
                shop.edit_from_outside(action, key, fight.available, cause);
            }
            Ok(())
        });
        tracing::trace!(struck = struck.is_ok(), "fighting app acted");
    }
}
