//! Stores and their secrets as the admin keeps them.

use std::sync::Arc;

use storekeeper::db::DbError;
use storekeeper::db::admin::audit::{self, AuditEntry};
use storekeeper::db::admin::changes::{self, StoreChange};
use storekeeper::db::admin::operators::{self, LastAdmin, NewOperator, OperatorRole};
use storekeeper::db::admin::stores::{KeyKind, StorePatch, StoreStatus, Tokens};
use storekeeper::db::admin::{sealing_keys, secrets, stores};
use storekeeper::db::sealing::{KEY_BYTES, Sealer, SealingError, Secret};
use uuid::Uuid;

use crate::support::database::{NOW, TestDb, new_store, on_both_databases};

on_both_databases!(
    registers_and_finds_stores,
    a_domain_is_registered_once_at_a_time,
    changes_a_store_and_its_tokens,
    only_a_new_installation_moves_its_instant,
    rotates_webhook_secrets,
    changes_all_that_an_admin_asked_for_or_nothing,
    tells_shared_secrets,
    refuses_a_wrong_key_and_rotates_the_right_one,
    keeps_operators_and_their_deeds,
);

async fn registers_and_finds_stores(test: TestDb) {
    let (first, second) = (test.store("a").await, test.store("b").await);
    let found = stores::find_by_intake_token(&test.db, "intake b")
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.id, found.domain.as_str()), (second, "b"));
    assert_eq!(
        stores::find_by_domain(&test.db, "shopify", "a")
            .await
            .unwrap()
            .unwrap()
            .id,
        first
    );
    assert_eq!(
        stores::find_by_domain(&test.db, "shopify", "c")
            .await
            .unwrap(),
        None
    );
    let (opened, kind) = stores::find_by_key(&test.db, "publishable a")
        .await
        .unwrap()
        .unwrap();
    assert_eq!((opened.id, kind), (first, KeyKind::Publishable));
    assert_eq!(
        stores::find_by_key(&test.db, "secret a")
            .await
            .unwrap()
            .unwrap()
            .1,
        KeyKind::Secret
    );
    let page = stores::list(&test.db, Some(first), 10).await.unwrap();
    assert_eq!(
        page.iter().map(|store| store.id).collect::<Vec<_>>(),
        [second]
    );
}

async fn a_domain_is_registered_once_at_a_time(test: TestDb) {
    let store = test.store("a").await;
    let mut again = new_store("a");
    again.intake_token_hash = "another".to_owned();
    again.secret_key_hash = "another".to_owned();
    again.publishable_key_hash = "another".to_owned();
    let refused = stores::insert(&test.db, &test.sealer, again.clone(), NOW).await;
    assert!(
        matches!(refused, Err(SealingError::Db(DbError::Conflict))),
        "{refused:?}"
    );
    stores::delete(&test.db, store, NOW).await.unwrap();
    assert_eq!(
        stores::get(&test.db, store).await,
        Err(DbError::NotFound("store"))
    );
    let next = stores::insert(&test.db, &test.sealer, again, NOW)
        .await
        .unwrap();
    assert_ne!(next, store);
    assert_eq!(
        stores::delete(&test.db, store, NOW).await,
        Err(DbError::NotFound("store"))
    );
}

async fn changes_a_store_and_its_tokens(test: TestDb) {
    let store = test.store("a").await;
    let tokens = Tokens {
        access: Some(Secret::new("shpat_2")),
        refresh: Some(Secret::new("refresh")),
        expires_at: Some(NOW.plus_millis(60_000)),
    };
    let patch = StorePatch {
        plan: Some("plus".to_owned()),
        status: Some(StoreStatus::Uninstalled),
        tokens: Some(tokens.clone()),
        ..StorePatch::default()
    };
    let later = NOW.plus_millis(5);
    let changed = stores::update(&test.db, &test.sealer, store, patch, later)
        .await
        .unwrap();
    assert_eq!(
        (changed.plan.as_deref(), changed.status, changed.updated_at),
        (Some("plus"), StoreStatus::Uninstalled, later)
    );
    assert_eq!(stores::get(&test.db, store).await.unwrap(), changed);
    assert_eq!(
        stores::load_tokens(&test.db, &test.sealer, store)
            .await
            .unwrap(),
        tokens
    );
}

async fn only_a_new_installation_moves_its_instant(test: TestDb) {
    let store = test.store("a").await;
    let later = NOW.plus_millis(5);
    let renewed = StorePatch {
        tokens: Some(Tokens::default()),
        ..StorePatch::default()
    };
    let anew = StorePatch {
        installed_anew: true,
        ..renewed.clone()
    };
    for (patch, installed_at) in [(renewed, NOW), (anew, later)] {
        let changed = stores::update(&test.db, &test.sealer, store, patch, later).await;
        assert_eq!(changed.unwrap().installed_at, installed_at);
    }
    let (_, activation) = test.activate(store).await;
    assert_eq!(activation.loaded.installed_at, Some(later));
}

async fn rotates_webhook_secrets(test: TestDb) {
    let store = test.store("a").await;
    let newer = secrets::insert(&test.db, &test.sealer, store, &Secret::new("newer"), NOW)
        .await
        .unwrap();
    assert_eq!(
        secrets::insert(&test.db, &test.sealer, store, &Secret::new("newer"), NOW)
            .await
            .unwrap(),
        newer
    );
    let living = secrets::load(&test.db, &test.sealer, store).await.unwrap();
    let texts: Vec<&str> = living.iter().map(|secret| secret.secret.expose()).collect();
    assert_eq!(texts, ["newer", "webhooks of a"]);
    secrets::mark_revoked(&test.db, store, living[1].id, NOW)
        .await
        .unwrap();
    assert_eq!(
        secrets::load(&test.db, &test.sealer, store)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        secrets::mark_revoked(&test.db, store, 404, NOW).await,
        Err(DbError::NotFound("secret"))
    );
}

async fn changes_all_that_an_admin_asked_for_or_nothing(test: TestDb) {
    let store = test.store("a").await;
    let before = stores::get(&test.db, store).await.unwrap();
    let renaming = |revoke_secrets: &[i64], seen| StoreChange {
        patch: StorePatch {
            name: Some("Toys".to_owned()),
            ..StorePatch::default()
        },
        add_secrets: vec![Secret::new("newer")],
        revoke_secrets: revoke_secrets.to_vec(),
        seen,
        deed: AuditEntry {
            id: Uuid::from_u128(7),
            at: NOW,
            actor: "api".to_owned(),
            action: "change store".to_owned(),
            store: Some(store),
            detail: String::new(),
        },
    };
    let unknown = renaming(&[1, 404], None);
    let stale = renaming(&[], Some(before.updated_at.plus_millis(-1)));
    for (change, why) in [
        (unknown, "no such secret lives"),
        (stale, "the store was changed meanwhile"),
    ] {
        let refused = changes::change(&test.db, &test.sealer, store, change, NOW).await;
        assert_eq!(refused.unwrap_err().to_string(), why);
        assert_eq!(stores::get(&test.db, store).await.unwrap(), before);
        let living = secrets::load(&test.db, &test.sealer, store).await.unwrap();
        assert_eq!(living.len(), 1, "{why}");
        assert_eq!(audit::list(&test.db, None, None, 10).await.unwrap(), []);
    }
    let change = renaming(&[1], Some(before.updated_at));
    changes::change(&test.db, &test.sealer, store, change, NOW)
        .await
        .unwrap();
    let after = stores::get(&test.db, store).await.unwrap();
    assert_eq!(after.name.as_deref(), Some("Toys"));
    assert!(
        after.updated_at > before.updated_at,
        "within the same millisecond too"
    );
    let living = secrets::load(&test.db, &test.sealer, store).await.unwrap();
    assert_eq!(living.len(), 1);
    assert_eq!(living[0].secret.expose(), "newer");
    assert_eq!(
        audit::list(&test.db, None, None, 10).await.unwrap().len(),
        1
    );
}

async fn tells_shared_secrets(test: TestDb) {
    let (first, second) = (test.store("a").await, test.store("b").await);
    let shared = Secret::new("one app, two stores");
    let fingerprint = test.sealer.fingerprint(&shared);
    secrets::insert(&test.db, &test.sealer, first, &shared, NOW)
        .await
        .unwrap();
    assert!(
        !secrets::is_shared(&test.db, &fingerprint, first)
            .await
            .unwrap()
    );
    secrets::insert(&test.db, &test.sealer, second, &shared, NOW)
        .await
        .unwrap();
    assert!(
        secrets::is_shared(&test.db, &fingerprint, first)
            .await
            .unwrap()
    );
    stores::delete(&test.db, second, NOW).await.unwrap();
    assert!(
        !secrets::is_shared(&test.db, &fingerprint, first)
            .await
            .unwrap()
    );
}

async fn refuses_a_wrong_key_and_rotates_the_right_one(test: TestDb) {
    let store = test.store("a").await;
    let newer = Sealer::new(&[8; KEY_BYTES], Arc::clone(&test.ids));
    test.sealer.check(&test.db, NOW).await.unwrap();
    test.sealer.check(&test.db, NOW).await.unwrap();
    assert!(matches!(
        newer.check(&test.db, NOW).await,
        Err(SealingError::WrongKey { .. })
    ));
    assert!(stores::load_tokens(&test.db, &newer, store).await.is_err());

    let entry = AuditEntry {
        id: test.ids.ordered_uuid(NOW),
        at: NOW,
        actor: "shell".to_owned(),
        action: "rotate sealing key".to_owned(),
        store: None,
        detail: String::new(),
    };
    sealing_keys::rotate(&test.db, &test.sealer, &newer, entry)
        .await
        .unwrap();
    newer.check(&test.db, NOW).await.unwrap();
    assert!(matches!(
        test.sealer.check(&test.db, NOW).await,
        Err(SealingError::WrongKey { .. })
    ));
    assert!(
        stores::load_tokens(&test.db, &test.sealer, store)
            .await
            .is_err()
    );
    let tokens = stores::load_tokens(&test.db, &newer, store).await.unwrap();
    assert_eq!(tokens.access, Some(Secret::new("shpat_1")));
    let intake = stores::load_intake_token(&test.db, &newer, store).await;
    assert_eq!(intake.unwrap(), Some(Secret::new("intake token of a")));
    let secret = &secrets::load(&test.db, &newer, store).await.unwrap()[0];
    assert_eq!(secret.fingerprint, newer.fingerprint(&secret.secret));
}

async fn keeps_operators_and_their_deeds(test: TestDb) {
    assert_eq!(operators::count_admins(&test.db).await.unwrap(), 0);
    let new = |hash, role| NewOperator {
        hash,
        name: "Ann",
        role,
    };
    let admin = new("hash", OperatorRole::Admin);
    operators::insert(&test.db, admin, NOW).await.unwrap();
    let found = operators::find(&test.db, "hash").await.unwrap().unwrap();
    assert_eq!(
        (found.role, found.name.as_str()),
        (OperatorRole::Admin, "Ann")
    );
    let viewer = new("viewer", OperatorRole::Viewer);
    operators::insert(&test.db, viewer, NOW).await.unwrap();
    assert_eq!(operators::count_admins(&test.db).await.unwrap(), 1);
    let entry = || AuditEntry {
        id: test.ids.ordered_uuid(NOW),
        at: NOW,
        actor: "shell".to_owned(),
        action: "revoke admin token".to_owned(),
        store: None,
        detail: String::new(),
    };
    let unknown = operators::revoke(&test.db, "other", LastAdmin::MayGo, entry()).await;
    assert!(matches!(unknown, Err(DbError::NotFound(_))), "{unknown:?}");
    let last = operators::revoke(&test.db, "hash", LastAdmin::Stays, entry()).await;
    assert!(matches!(last, Err(DbError::Conflict)), "{last:?}");
    assert!(operators::find(&test.db, "hash").await.unwrap().is_some());
    operators::revoke(&test.db, "hash", LastAdmin::MayGo, entry())
        .await
        .unwrap();
    assert_eq!(operators::find(&test.db, "hash").await.unwrap(), None);
    let entry = |number| AuditEntry {
        id: Uuid::from_u128(number),
        at: NOW,
        actor: "operator".to_owned(),
        action: "pause".to_owned(),
        store: None,
        detail: "because".to_owned(),
    };
    audit::insert(&test.db, entry(1)).await.unwrap();
    audit::insert(&test.db, entry(2)).await.unwrap();
    let listed = audit::list(&test.db, None, None, 10).await.unwrap();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0].action, "revoke admin token");
    assert_eq!(listed[1..], [entry(2), entry(1)]);
    assert_eq!(
        audit::list(&test.db, None, Some(Uuid::from_u128(2)), 10)
            .await
            .unwrap(),
        [entry(1)]
    );
}
