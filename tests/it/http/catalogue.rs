//! The catalogue of problems is what programs rely on: a change of it must be meant.

use std::fmt::Write as _;

use storekeeper::http::catalogue;

#[test]
fn the_catalogue_is_as_it_was_published() {
    let mut listed = String::new();
    for problem in catalogue() {
        let retry = problem
            .retry_after_s()
            .map_or("-".to_owned(), |seconds| seconds.to_string());
        writeln!(
            listed,
            "{} {} {} | {}",
            problem.status().as_u16(),
            problem.code(),
            retry,
            problem.title()
        )
        .unwrap();
    }
    assert_eq!(listed, include_str!("../fixtures/problems.txt"));
}
