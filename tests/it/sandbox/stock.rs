//! What orders do to stock.

use storekeeper::sandbox::{
    CancelRequest, EditRequest, FulfilLineRequest, FulfilRequest, Level, LevelKey, OrderRequest,
    ProductRequest, Products, RefundLineRequest, RefundRequest, RemoveRequest, RestockType,
    Sandbox, SandboxOptions, ShopOpened, ShopRequest,
};

use super::receiver::DOMAIN;

async fn shop(stock: &[i64]) -> (Sandbox, ShopOpened, LevelKey) {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let mut request = ShopRequest::new(DOMAIN);
    request.locations = 2;
    request.products = Products::Listed(vec![ProductRequest {
        available: stock.to_vec(),
        ..ProductRequest::default()
    }]);
    let opened = sandbox.open_shop(&request).unwrap();
    let key = LevelKey {
        item: opened.items[0].item,
        location: opened.locations[0],
    };
    (sandbox, opened, key)
}

fn level(sandbox: &Sandbox, key: LevelKey) -> Level {
    let mut levels = sandbox.levels(DOMAIN).into_iter();
    levels.find(|(found, _)| *found == key).unwrap().1
}

fn quantities(sandbox: &Sandbox, key: LevelKey) -> (i64, i64, i64) {
    let level = level(sandbox, key);
    (level.available, level.committed, level.on_hand())
}

fn refund(line: i64, quantity: i64, restock_type: RestockType) -> RefundRequest {
    RefundRequest {
        lines: vec![RefundLineRequest {
            line,
            quantity,
            restock_type,
            location: None,
        }],
        note: None,
    }
}

#[tokio::test]
async fn a_sale_commits_and_sending_takes_it_from_hand() {
    let (sandbox, _, key) = shop(&[10]).await;
    let order = OrderRequest::online(&[(key.item, 3)]);
    let order = sandbox.place_order(DOMAIN, &order).unwrap();
    assert_eq!(quantities(&sandbox, key), (7, 3, 10));
    let line = sandbox.line_ids(DOMAIN, order)[0];
    let part = FulfilRequest {
        lines: vec![FulfilLineRequest { line, quantity: 1 }],
    };
    sandbox.fulfil_order(DOMAIN, order, &part).unwrap();
    assert_eq!(quantities(&sandbox, key), (7, 2, 9));
    sandbox
        .fulfil_order(DOMAIN, order, &FulfilRequest::default())
        .unwrap();
    assert_eq!(quantities(&sandbox, key), (7, 0, 7));
    let again = sandbox.fulfil_order(DOMAIN, order, &FulfilRequest::default());
    assert!(again.is_err());
}

#[tokio::test]
async fn each_restock_type_gives_back_what_it_says() {
    let (sandbox, _, key) = shop(&[10]).await;
    let order = OrderRequest::online(&[(key.item, 4)]);
    let order = sandbox.place_order(DOMAIN, &order).unwrap();
    let line = sandbox.line_ids(DOMAIN, order)[0];
    let early = refund(line, 1, RestockType::Return);
    assert!(sandbox.refund_order(DOMAIN, order, &early).is_err());
    let cancelled = refund(line, 1, RestockType::Cancel);
    sandbox.refund_order(DOMAIN, order, &cancelled).unwrap();
    assert_eq!(quantities(&sandbox, key), (7, 3, 10));
    sandbox
        .fulfil_order(DOMAIN, order, &FulfilRequest::default())
        .unwrap();
    let returned = refund(line, 1, RestockType::Return);
    sandbox.refund_order(DOMAIN, order, &returned).unwrap();
    assert_eq!(quantities(&sandbox, key), (8, 0, 8));
    let written_off = refund(line, 1, RestockType::NoRestock);
    sandbox.refund_order(DOMAIN, order, &written_off).unwrap();
    assert_eq!(quantities(&sandbox, key), (8, 0, 8));
    let too_much = refund(line, 2, RestockType::NoRestock);
    let refused = sandbox.refund_order(DOMAIN, order, &too_much).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("cannot refund more items than were purchased")
    );
}

#[tokio::test]
async fn a_cancelled_order_is_restocked_or_written_off() {
    let (sandbox, _, key) = shop(&[10]).await;
    let request = OrderRequest::online(&[(key.item, 3)]);
    let restocked = sandbox.place_order(DOMAIN, &request).unwrap();
    sandbox
        .cancel_order(DOMAIN, restocked, &CancelRequest::default())
        .unwrap();
    assert_eq!(quantities(&sandbox, key), (10, 0, 10));
    let twice = sandbox.cancel_order(DOMAIN, restocked, &CancelRequest::default());
    assert!(twice.is_err());
    let lost = sandbox.place_order(DOMAIN, &request).unwrap();
    let without = CancelRequest {
        restock: false,
        ..CancelRequest::default()
    };
    sandbox.cancel_order(DOMAIN, lost, &without).unwrap();
    assert_eq!(quantities(&sandbox, key), (7, 0, 7));
}

#[tokio::test]
async fn an_edit_takes_what_it_adds_and_gives_back_what_it_restocks() {
    let (sandbox, _, key) = shop(&[10]).await;
    let request = OrderRequest::online(&[(key.item, 3)]);
    let order = sandbox.place_order(DOMAIN, &request).unwrap();
    let line = sandbox.line_ids(DOMAIN, order)[0];
    let removal = |restock| RemoveRequest {
        line,
        quantity: 1,
        restock,
    };
    let edit = EditRequest {
        add: OrderRequest::online(&[(key.item, 2)]).lines,
        remove: vec![removal(true), removal(false)],
    };
    sandbox.edit_order(DOMAIN, order, &edit).unwrap();
    // 3 sold, 2 more, 1 back, 1 written off.
    assert_eq!(quantities(&sandbox, key), (6, 3, 9));
}

#[tokio::test]
async fn stock_may_go_below_zero_unless_the_buyer_is_held_to_it() {
    let (sandbox, _, key) = shop(&[2, 0]).await;
    let mut request = OrderRequest::online(&[(key.item, 2), (key.item, 1)]);
    request.oversell = false;
    assert!(sandbox.place_order(DOMAIN, &request).is_err());
    request.oversell = true;
    sandbox.place_order(DOMAIN, &request).unwrap();
    assert_eq!(quantities(&sandbox, key), (-1, 3, 2));
}
