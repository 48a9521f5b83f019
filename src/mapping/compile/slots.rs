//! The slot table of a plan, from the result of the walk.

use super::{lay::Laid, paths::Side};
use crate::mapping::{Level, LevelPlan, Pick, SlotPlan};

/// The table's size and the defaults of a message and of an element.
pub(super) fn slot_plan(laid: &Laid) -> SlotPlan {
    let layout = &laid.layout;
    let picks = |side: Side| {
        let mut picks: Vec<Pick> =
            laid.picks.iter().filter(|(of, _)| *of == side).map(|(_, pick)| *pick).collect();
        picks.sort();
        picks.into()
    };
    let level = |(index, level): (usize, &Level)| LevelPlan {
        name: level.name.as_str().into(),
        start: level.start,
        implicit: level.record.implicit.clone(),
        picks: picks(Side::of_level(index)),
    };
    SlotPlan {
        slots_count: layout.slots_count,
        element_start: layout.levels.first().map_or(layout.slots_count, |first| first.start),
        message_implicit: layout.message.implicit.clone(),
        levels: layout.levels.iter().enumerate().map(level).collect(),
        picks: picks(Side::Message),
    }
}
