//! What of a log is done with: everything up to the cursor, and at most two spans ahead of it.

/// The most segments that a backlog falls into. The last one begins behind everything taken and is open: what arrives
/// joins it.
pub const SEGMENTS_MAX: usize = 3;
/// One less: what lies between the segments.
const SPANS_MAX: usize = SEGMENTS_MAX - 1;

/// Numbers of rows from `from`, before `to`; empty when these are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub from: i64,
    pub to: i64,
}

impl Span {
    const EMPTY: Self = Self { from: 0, to: 0 };

    /// How many rows it has.
    #[must_use]
    pub const fn len(self) -> i64 {
        self.to.saturating_sub(self.from)
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.to <= self.from
    }

    const fn contains(self, seq: i64) -> bool {
        self.from <= seq && seq < self.to
    }
}

/// Rows that are yet to be taken, from the first of them on; the last segment of a log ends where the log does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its cursor: the next row of it.
    pub from: i64,
    /// The first number behind it that is done with; `None`: it is the last segment.
    pub to: Option<i64>,
}

impl Segment {
    /// How many rows it has in a log whose last row is `head`.
    #[must_use]
    pub fn len(self, head: i64) -> i64 {
        let to = self.to.unwrap_or_else(|| head.saturating_add(1));
        to.saturating_sub(self.from).max(0)
    }
}

/// What of a log is done with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    cursor: i64,
    /// Ascending, neither empty before full nor touching each other or the cursor.
    ahead: [Span; SPANS_MAX],
}

impl Taken {
    /// Everything up to this number, and nothing else.
    #[must_use]
    pub const fn up_to(cursor: i64) -> Self {
        Self {
            cursor,
            ahead: [Span::EMPTY; SPANS_MAX],
        }
    }

    /// As it was written down; `None` when no [`Taken`] is written like that.
    #[must_use]
    pub fn restore(cursor: i64, ahead: [Span; SPANS_MAX]) -> Option<Self> {
        let is_apart = |before: i64, span: Span| before < span.from && !span.is_empty();
        let [near, far] = ahead;
        let is_right = match (near == Span::EMPTY, far == Span::EMPTY) {
            (true, true) => true,
            (false, true) => is_apart(cursor.saturating_add(1), near),
            (false, false) => is_apart(cursor.saturating_add(1), near) && is_apart(near.to, far),
            (true, false) => false,
        };
        is_right.then_some(Self { cursor, ahead })
    }

    /// Every row up to this number is done with, and the next one is not.
    #[must_use]
    pub const fn cursor(&self) -> i64 {
        self.cursor
    }

    /// What is done with beyond the cursor: ascending, the empty ones last.
    #[must_use]
    pub const fn ahead(&self) -> [Span; SPANS_MAX] {
        self.ahead
    }

    /// How many rows are done with; each has been taken once.
    #[must_use]
    pub fn count(&self) -> i64 {
        let [near, far] = self.ahead;
        self.cursor
            .saturating_add(near.len())
            .saturating_add(far.len())
    }

    /// The highest number that is done with.
    #[must_use]
    pub fn last(&self) -> i64 {
        let [near, far] = self.ahead;
        self.cursor
            .max(near.to.saturating_sub(1))
            .max(far.to.saturating_sub(1))
    }

    /// Whether the row is done with.
    #[must_use]
    pub fn contains(&self, seq: i64) -> bool {
        seq <= self.cursor || self.ahead.iter().any(|span| span.contains(seq))
    }

    /// How many rows are left of a log whose last row is `head`.
    #[must_use]
    pub fn left(&self, head: i64) -> i64 {
        head.saturating_sub(self.count()).max(0)
    }

    /// What is left, in order: one to [`SEGMENTS_MAX`] segments, of which only the last may have no rows.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Segment> + use<> {
        let first = self.cursor.saturating_add(1);
        let [near, far] = self.ahead;
        let segments = match (near.is_empty(), far.is_empty()) {
            (true, _) => [segment(first, None), None, None],
            (false, true) => [segment(first, Some(near)), segment(near.to, None), None],
            (false, false) => [
                segment(first, Some(near)),
                segment(near.to, Some(far)),
                segment(far.to, None),
            ],
        };
        segments.into_iter().flatten()
    }

    /// The segment that stands before all others.
    #[must_use]
    pub fn first_segment(&self) -> Segment {
        let [near, _] = self.ahead;
        Segment {
            from: self.cursor.saturating_add(1),
            to: (!near.is_empty()).then_some(near.from),
        }
    }

    /// Whether rows may be taken where no segment begins, for it makes one segment more.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let [_, far] = self.ahead;
        far.is_empty()
    }

    /// The row is done with. Whether that can be: it was not before, and does not make one segment too many.
    #[must_use]
    pub fn take(&mut self, seq: i64) -> bool {
        let [near, _] = self.ahead;
        if near.is_empty() && seq == self.cursor.saturating_add(1) {
            self.cursor = seq;
            return true;
        }
        let is_taken = self.with(seq);
        if let Some(taken) = is_taken {
            *self = taken;
        }
        is_taken.is_some()
    }

    /// Whether [`take`](Self::take) can be.
    #[must_use]
    pub fn can_take(&self, seq: i64) -> bool {
        self.with(seq).is_some()
    }

    /// There are no rows before `seq` that are not done with: some that never were, or that somebody deleted, are
    /// passed.
    pub fn pass_before(&mut self, seq: i64) {
        self.cursor = self.cursor.max(seq.saturating_sub(1));
        *self = Self::joined(self.cursor, self.ahead.to_vec()).unwrap_or(*self);
    }

    fn with(&self, seq: i64) -> Option<Self> {
        if self.contains(seq) {
            return None;
        }
        let one = Span {
            from: seq,
            to: seq.saturating_add(1),
        };
        let spans = self.ahead.into_iter().chain([one]);
        Self::joined(self.cursor, spans.collect())
    }

    /// These rows, in few spans; `None` when they are too many.
    fn joined(mut cursor: i64, mut spans: Vec<Span>) -> Option<Self> {
        spans.retain(|span| !span.is_empty());
        spans.sort_unstable_by_key(|span| span.from);
        let mut ahead: Vec<Span> = Vec::with_capacity(SEGMENTS_MAX);
        for span in spans {
            if span.from <= cursor.saturating_add(1) {
                cursor = cursor.max(span.to.saturating_sub(1));
            } else if let Some(last) = ahead.last_mut().filter(|last| last.to >= span.from) {
                last.to = last.to.max(span.to);
            } else {
                ahead.push(span);
            }
        }
        ahead.resize(ahead.len().max(SPANS_MAX), Span::EMPTY);
        let ahead = ahead.try_into().ok()?;
        Some(Self { cursor, ahead })
    }
}

const fn segment(from: i64, before: Option<Span>) -> Option<Segment> {
    let to = match before {
        Some(span) => Some(span.from),
        None => None,
    };
    Some(Segment { from, to })
}
