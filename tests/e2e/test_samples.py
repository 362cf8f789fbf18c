"""The sample shop: each function deployed from its own folder with the mayfly command, and called."""

import hashlib
import hmac
import json

from tests.e2e.person import FUNCTIONS


def deploy(user, name):
    done = user.mayfly("deploy", str(FUNCTIONS / name))
    assert done.code == 0, done.err
    return done


def test_hello_greets(user):
    deploy(user, "hello")
    assert user.call("hello", "/?name=Ada").text == "Hello, Ada!\n"
    assert user.mayfly("invoke", "hello").out == "Hello, world!\n"


def test_catalog_serves_its_routes(user):
    deploy(user, "catalog")
    assert user.call("catalog", "/products?category=kitchen").json()["total"] == 2
    assert user.call("catalog", "/products/mug-07").headers["cache-control"] == "public, max-age=60"
    assert user.call("catalog", "/products/none").status_code == 404
    quote = user.call("catalog", "/quotes", "POST", json={"lines": [{"id": "mug-07", "quantity": 2}]})
    assert (quote.status_code, quote.json()["cents"]) == (201, 2500)


def test_order_created_answers_an_event_with_an_event(user):
    deploy(user, "order-created")
    order = {"id": "o-1", "lines": [{"cents": 1250, "quantity": 2}]}
    attributes = {"ce-specversion": "1.0", "ce-id": "e-1", "ce-source": "/shop", "ce-type": "com.shop.order.created"}
    binary = user.call(
        "order-created",
        "/",
        "POST",
        headers={**attributes, "content-type": "application/json"},
        content=json.dumps(order),
    )
    assert binary.headers["ce-type"] == "com.shop.order.confirmed"
    assert binary.json() == {"id": "o-1", "cents": 2500}
    envelope = {"specversion": "1.0", "id": "e-2", "source": "/shop", "type": "com.shop.order.created", "data": order}
    structured = user.call(
        "order-created",
        "/",
        "POST",
        headers={"content-type": "application/cloudevents+json"},
        content=json.dumps(envelope),
    )
    assert structured.headers["ce-id"] == "e-2-confirmed"
    empty = user.call(
        "order-created",
        "/",
        "POST",
        headers={**attributes, "content-type": "application/json"},
        content='{"lines": []}',
    )
    assert empty.status_code == 204


def test_payment_callback_checks_the_signature(user):
    user.kubectl("create", "secret", "generic", "payment-provider", "--from-literal=signing-key=s3cret")
    deploy(user, "payment-callback")
    body = json.dumps({"order": "o-1", "status": "captured"}).encode()
    signature = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    paid = user.call("payment-callback", "/", "POST", content=body, headers={"x-signature": signature})
    assert paid.json()["state"] == "paid"
    assert 0 < paid.json()["milliseconds_left"] <= 15_000
    assert user.call("payment-callback", "/", "POST", content=body).status_code == 401


def test_storefront_renders_the_catalogue_and_streams(user):
    deploy(user, "catalog")
    deploy(user, "storefront")
    assert "Enamel mug: 12.50 EUR" in user.call("storefront").text
    stream = user.call("storefront", "/countdown?from=2")
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.text == "data: 2\n\ndata: 1\n\ndata: 0\n\n"
