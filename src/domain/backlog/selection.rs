//! Where in a backlog the next rows are taken from.
//!
//! What is taken out of order is a stretch: so many rows, one after the other. A new segment is begun only where more
//! than `STRETCHES_LEFT_MIN` stretches lie in one, so a small backlog stays one segment and is taken in its order.

use super::taken::{SEGMENTS_MAX, Segment, Taken};

/// Of fewer stretches no segment is divided.
const STRETCHES_LEFT_MIN: i64 = 2;

/// From which end a backlog is worked off, as far as its rows allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// In order.
    #[default]
    Oldest,
    /// What came last first, then stretch by stretch backwards: the newest snapshot of a thing makes the older ones
    /// tell nothing new.
    NewestStateFirst,
    /// By turns from the head, the middle and the tail: an even view of everything.
    Spread,
}

/// What the rows of a [`Place`] may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Every row before them is done with: nothing is to be asked.
    InOrder,
    /// They overtake others and go on with a segment: the first that may not, ends it.
    Ahead,
    /// The first that may overtake begins a segment; those before it are left where they are.
    Opening,
}

/// Where rows are taken next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// They come after this number,
    pub after: i64,
    /// and are at most so many; at least 1.
    pub rows_max: i64,
    pub manner: Manner,
}

impl Place {
    /// At most so many rows from where a segment begins, before which every row is done with.
    #[must_use]
    pub fn in_order(segment: Segment, rows_max: i64) -> Self {
        let rows = segment
            .to
            .map_or(rows_max, |to| to.saturating_sub(segment.from));
        Self {
            after: segment.from.saturating_sub(1),
            rows_max: rows.min(rows_max),
            manner: Manner::InOrder,
        }
    }
}

/// Whose turn it is when a backlog is worked off from several ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Head,
    Middle,
    Tail,
}

impl End {
    const fn next(self) -> Self {
        match self {
            Self::Head => Self::Middle,
            Self::Middle => Self::Tail,
            Self::Tail => Self::Head,
        }
    }
}

/// Chooses places. What it remembers only spares reading: a fresh one chooses as rightly.
#[derive(Clone, Debug)]
pub struct Selector {
    selection: Selection,
    /// Rows.
    stretch: i64,
    /// Rows that must keep their order, and that stand first in a segment.
    stopped: Vec<i64>,
    /// The last place out of order gave nothing more, so the next one is in order.
    yields: bool,
    /// Whose turn it is to be served by [`Selection::Spread`].
    end: End,
}

impl Selector {
    /// `stretch`: how many rows are taken at one place before the next is chosen; at least 1.
    #[must_use]
    pub fn new(selection: Selection, stretch: i64) -> Self {
        Self {
            selection,
            stretch: stretch.max(1),
            stopped: Vec::new(),
            yields: false,
            end: End::Head,
        }
    }

    /// Where the next rows are taken, in a log whose last row known of is `head`. `in_order`: nothing may be overtaken
    /// now.
    #[must_use]
    pub fn next(&mut self, taken: &Taken, head: i64, in_order: bool) -> Place {
        self.stopped
            .retain(|seq| *seq > taken.first_segment().from && !taken.contains(*seq));
        let yields = std::mem::take(&mut self.yields);
        let place = match self.selection {
            _ if in_order || yields => None,
            Selection::Oldest => None,
            Selection::NewestStateFirst => self
                .in_tail(taken, head)
                .or_else(|| self.in_middle(taken, head)),
            Selection::Spread => {
                let end = self.end;
                self.end = end.next();
                match end {
                    End::Head => None,
                    End::Middle => self.in_middle(taken, head),
                    End::Tail => self.in_tail(taken, head),
                }
            }
        };
        place.unwrap_or_else(|| self.from(taken.first_segment(), Manner::InOrder))
    }

    /// A place out of order gave nothing more: at `stopped` stands a row that must keep its order, or, `None`, no
    /// segment could be begun where it was tried.
    pub fn ended(&mut self, stopped: Option<i64>) {
        self.yields = true;
        self.stopped.extend(stopped);
        let superfluous = self.stopped.len().saturating_sub(SEGMENTS_MAX);
        self.stopped.drain(..superfluous);
    }

    /// The segment at the end of the log, or a new one of its last stretch.
    fn in_tail(&self, taken: &Taken, head: i64) -> Option<Place> {
        let tail = taken.segments().next_back()?;
        let is_only = tail == taken.first_segment();
        let is_stopped = is_only || self.stopped.contains(&tail.from);
        if taken.has_room() && self.is_long(tail, head) {
            return Some(self.opening(head.saturating_sub(self.stretch)));
        }
        (!is_stopped && tail.len(head) > 0).then(|| self.from(tail, Manner::Ahead))
    }

    /// The segment between the two others, or a new one within the first.
    fn in_middle(&self, taken: &Taken, head: i64) -> Option<Place> {
        if !taken.has_room() {
            let middle = taken.segments().nth(1)?;
            let is_stopped = self.stopped.contains(&middle.from);
            return (!is_stopped).then(|| self.from(middle, Manner::Ahead));
        }
        let first = taken.first_segment();
        if !self.is_long(first, head) {
            return None;
        }
        let rows = first.len(head);
        let passed = match self.selection {
            Selection::Oldest | Selection::NewestStateFirst => rows.saturating_sub(self.stretch),
            Selection::Spread => rows / 2,
        };
        Some(self.opening(first.from.saturating_add(passed).saturating_sub(1)))
    }

    fn is_long(&self, segment: Segment, head: i64) -> bool {
        segment.len(head) > self.stretch.saturating_mul(STRETCHES_LEFT_MIN)
    }

    const fn opening(&self, after: i64) -> Place {
        Place {
            after,
            rows_max: self.stretch,
            manner: Manner::Opening,
        }
    }

    /// A stretch from where a segment begins.
    fn from(&self, segment: Segment, manner: Manner) -> Place {
        Place {
            manner,
            ..Place::in_order(segment, self.stretch)
        }
    }
}
