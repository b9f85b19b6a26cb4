//! Small charts: a line of the last minute, drawn by the server.

/// Units of the drawing's width.
pub(crate) const WIDTH: i64 = 120;
/// Units of its height.
pub(crate) const HEIGHT: i64 = 24;
/// Room for the stroke at the top and the bottom.
const MARGIN: i64 = 2;

/// A line over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spark {
    pub(crate) label: &'static str,
    /// The latest value.
    pub(crate) now: i64,
    /// The highest value.
    pub(crate) top: i64,
    /// For a polyline in [`WIDTH`] by [`HEIGHT`]; empty: too little is known.
    pub(crate) points: String,
}

impl Spark {
    /// Of values with their instants in milliseconds, oldest first.
    pub(crate) fn of(label: &'static str, values: &[(i64, i64)]) -> Self {
        let top = values.iter().map(|(_at, value)| *value).max().unwrap_or(0);
        let now = values.last().map_or(0, |(_at, value)| *value);
        Self {
            label,
            now,
            top,
            points: points(values, top.max(1)).unwrap_or_default(),
        }
    }
}

fn points(values: &[(i64, i64)], top: i64) -> Option<String> {
    let (first, last) = (values.first()?.0, values.last()?.0);
    let span = last - first;
    if span <= 0 {
        return None;
    }
    let room = HEIGHT - 2 * MARGIN;
    let point = |(at, value): &(i64, i64)| {
        let x = (at - first).saturating_mul(WIDTH) / span;
        let y = HEIGHT - MARGIN - (*value).clamp(0, top).saturating_mul(room) / top;
        format!("{x},{y}")
    };
    Some(values.iter().map(point).collect::<Vec<_>>().join(" "))
}

/// How much a counter grew each second between looks: as many values as there were looks, less one.
pub(crate) fn per_second(counter: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let pairs = counter.iter().zip(counter.iter().skip(1));
    let grown = pairs.filter(|(before, after)| after.0 > before.0);
    grown
        .map(|((began, before), (at, after))| {
            let grown = (after - before).max(0).saturating_mul(1_000);
            (*at, grown / (at - began))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fills_its_frame() {
        let spark = Spark::of("backlog", &[(1_000, 0), (1_500, 5), (2_000, 10)]);
        assert_eq!(spark.points, "0,22 60,12 120,2");
        assert_eq!((spark.now, spark.top), (10, 10));
        assert_eq!(Spark::of("flat", &[(0, 0), (9, 0)]).points, "0,22 120,22");
        for little in [&[][..], &[(5, 1)]] {
            assert_eq!(Spark::of("nothing", little).points, "");
        }
    }

    #[test]
    fn a_rate_is_what_a_counter_grew_by() {
        let counter = [
            (0, 100),
            (1_000, 130),
            (1_000, 130),
            (3_000, 150),
            (4_000, 140),
        ];
        assert_eq!(per_second(&counter), [(1_000, 30), (3_000, 10), (4_000, 0)]);
    }
}
