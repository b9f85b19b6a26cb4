//! Owns the API versions: which are served, and what an old one becomes.

/// The stable versions served, oldest first.
const SUPPORTED: [&str; 5] = ["2025-10", "2026-01", "2026-04", "2026-07", "2026-10"];
/// The newest stable version.
pub(super) const NEWEST: &str = "2026-10";
const UNSTABLE: &str = "unstable";

/// The version that answers a request for `asked`: itself, or the oldest one
/// served when it is retired; none when there never was such a version.
pub(super) fn served(asked: &str) -> Option<&'static str> {
    if asked == UNSTABLE {
        return Some(UNSTABLE);
    }
    let [oldest, ..] = SUPPORTED;
    let known = SUPPORTED.into_iter().find(|version| *version == asked);
    known.or_else(|| (is_quarter(asked) && asked < oldest).then_some(oldest))
}

fn is_quarter(version: &str) -> bool {
    let Some((year, month)) = version.split_once('-') else {
        return false;
    };
    let digits = year.len() == 4 && year.chars().all(|digit| digit.is_ascii_digit());
    digits && ["01", "04", "07", "10"].contains(&month)
}

/// Whether idempotency keys and `changeFromQuantity` are mandatory.
pub(super) fn demands_keys(version: &str) -> bool {
    version == UNSTABLE || version >= "2026-04"
}

/// Whether `changeFromQuantity` exists.
pub(super) fn knows_change_from(version: &str) -> bool {
    version == UNSTABLE || version >= "2026-01"
}

/// Whether several bulk operations may run at a time.
pub(super) fn runs_bulk_together(version: &str) -> bool {
    version == UNSTABLE || version >= "2026-01"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retired_versions_fall_forward() {
        assert_eq!(served("2026-04"), Some("2026-04"));
        assert_eq!(served("2024-01"), Some("2025-10"));
        assert_eq!(served("2024-02"), None);
        assert_eq!(served("2031-01"), None);
        assert_eq!(served("unstable"), Some("unstable"));
    }
}
