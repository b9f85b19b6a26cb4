//! The tests' own PostgreSQL server keeps its promises.

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

use crate::support::postgres::TestPostgres;

async fn connect() -> DatabaseConnection {
    Database::connect(TestPostgres::start().database_url().await)
        .await
        .unwrap()
}

async fn text_of(connection: &DatabaseConnection, sql: &str) -> String {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    connection
        .query_one_raw(statement)
        .await
        .unwrap()
        .unwrap()
        .try_get_by_index(0)
        .unwrap()
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn answers_a_query_durably() {
    let connection = connect().await;
    assert_eq!(text_of(&connection, "select (select 1)::text").await, "1");
    assert_eq!(text_of(&connection, "show fsync").await, "on");
    assert_eq!(text_of(&connection, "show synchronous_commit").await, "on");
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn gives_each_test_a_database_of_its_own() {
    let (first, second) = (connect().await, connect().await);
    first
        .execute_unprepared("create table kept_apart (number int)")
        .await
        .unwrap();
    let seen = "select coalesce(to_regclass('kept_apart')::text, 'absent')";
    assert_eq!(text_of(&first, seen).await, "kept_apart");
    assert_eq!(text_of(&second, seen).await, "absent");
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn a_server_of_a_test_s_own_is_stopped_and_started() {
    let server = TestPostgres::start_own();
    let url = server.database_url().await;
    let before = Database::connect(&url).await.unwrap();
    before
        .execute_unprepared("create table kept as select 7 as number")
        .await
        .unwrap();
    server.stop_at_once();
    assert!(Database::connect(&url).await.is_err());
    server.start_again();
    let after = Database::connect(&url).await.unwrap();
    assert_eq!(text_of(&after, "select number::text from kept").await, "7");
}
