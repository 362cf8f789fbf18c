"""What Cloud Functions offers beyond one decorated function."""

from __future__ import annotations

import pytest

EVENT = {"ce-specversion": "1.0", "ce-id": "e-1", "ce-source": "//shop", "ce-type": "t", "ce-subject": "o/7"}
STRUCTURED = {"specversion": "1.0", "id": "e-1", "source": "//shop", "type": "t", "subject": "o/7", "data": {"a": 1}}
LEGACY = {
    "context": {"eventId": "e-1", "timestamp": "2030-01-02T03:04:05Z", "eventType": "t", "resource": "r"},
    "data": {"a": 1},
}


@pytest.fixture
def serve(start):
    def serve(handler, signature="http"):
        return start(
            "cloud_functions", packages="framework", MAYFLY_SIGNATURE=signature, MAYFLY_HANDLER=f"main:{handler}"
        ).ready()

    return serve


def test_error_handlers(serve):
    """Handlers registered with `errorhandler` answer for their exceptions; others stay problem documents."""
    runtime = serve("pay")
    unpaid = runtime.request("GET", "/", params={"who": "zoë"})
    assert (unpaid.status_code, unpaid.text) == (402, "pay first: zoë")
    teapot = runtime.request("GET", "/teapot")
    assert (teapot.status_code, teapot.json()) == (418, {"told": 418})
    assert runtime.request("GET", "/bug").headers["content-type"] == "application/problem+json"


def test_typed(serve):
    """The class reads the body by `from_dict` and writes the result by `to_dict`; a body it rejects is 422."""
    runtime = serve("greet", "typed")
    assert runtime.request("POST", "/", json={"name": "ada"}).json() == {"name": "ADA", "language": "en"}
    refused = runtime.request("POST", "/", json={"language": "de"})
    assert (refused.status_code, refused.json()["errors"]) == (422, [{"field": "name", "message": "is required"}])


def test_typed_by_argument(serve):
    """The class may be given to the decorator in place of an annotation."""
    assert serve("count", "typed").request("POST", "/", json={"name": "ada"}).text == "3"


def test_aio_may_be_synchronous(serve):
    """A synchronous function marked with `aio` gets Starlette's request, in a worker."""
    assert serve("blocking").request("GET", "/", params={"a": "b"}).text == "starlette.requests b"


def test_aio_event(serve):
    """An event function marked with `aio` gets the event."""
    runtime = serve("on_event", "cloudevent")
    assert runtime.request("POST", "/", headers=EVENT, json={"a": 1}).status_code == 204
    runtime.record(message="event t {'a': 1}")


def test_background_by_the_framework(serve):
    """A background function whose code imports the framework is called through the framework's own conversion."""
    runtime = serve("archive", "background")
    answer = runtime.request("POST", "/", json=LEGACY)
    assert (answer.status_code, answer.text) == (200, "OK")
    runtime.record(message="archived {'a': 1} e-1 t r")
    assert runtime.request("POST", "/", json=LEGACY | {"data": {"fail": True}}).status_code == 402
    assert runtime.request("POST", "/", headers=EVENT, json={"b": 2}).status_code == 200
    runtime.record(message="archived {'b': 2} e-1 t //shop/o/7")
    assert runtime.request("POST", "/", json=["neither"]).status_code == 400


PUBSUB = {
    "context": {
        "eventId": "7",
        "timestamp": "2030-01-02T03:04:05Z",
        "eventType": "google.pubsub.topic.publish",
        "resource": {"service": "pubsub.googleapis.com", "name": "projects/p/topics/t", "type": "x"},
    },
    "data": {"data": "aGk="},
}


def test_legacy_event_becomes_a_cloudevent(serve):
    """An event function whose code imports the framework takes Google's legacy events too, as the framework does."""
    runtime = serve("on_sale", "cloudevent")
    assert runtime.request("POST", "/", json=PUBSUB).status_code == 204
    runtime.record(message="sale google.cloud.pubsub.topic.v1.messagePublished aGk=")
    assert runtime.request("POST", "/", json={"context": {}, "data": 1}).status_code == 400


def test_error_handlers_of_event_functions(serve):
    """Error handlers hold for functions of events, whose replies stay events."""
    runtime = serve("on_sale", "cloudevent")
    assert runtime.request("POST", "/", headers=EVENT, json={"unpaid": True}).status_code == 402
    sold = runtime.request("POST", "/", headers=EVENT, json={"message": {"data": "x"}})
    assert (sold.status_code, sold.headers["ce-type"], sold.json()) == (200, "sold", {"of": "x"})


@pytest.mark.parametrize("handler", ["archive", "archive_async"])
def test_background(start, handler):
    """Without the framework a background function gets data and context of a CloudEvent or the legacy form; 204."""
    runtime = start("background", MAYFLY_SIGNATURE="background", MAYFLY_HANDLER=f"main:{handler}").ready()
    tail = {
        "binary": "  t //shop/o/7",
        "structured": "  t //shop/o/7",
        "legacy": " 2030-01-02T03:04:05Z t r",
        "flat": "  t ",
    }
    sent = {
        "binary": {"headers": EVENT, "json": {"a": 1}},
        "structured": {"headers": {"content-type": "application/cloudevents+json"}, "json": STRUCTURED},
        "legacy": {"json": LEGACY},
        "flat": {"json": {"eventId": "e-1", "eventType": "t", "data": {"a": 1}}},
    }
    for form, arguments in sent.items():
        headers = arguments.pop("headers", {}) | {"x-request-id": form}
        assert runtime.request("POST", "/", headers=headers, **arguments).status_code == 204
        line = runtime.record(request_id=form, stream="stdout")["message"]
        assert line == "archived {'a': 1} e-1" + (tail[form] if handler == "archive" else "")
    assert runtime.request("POST", "/", json={"a": 1}).status_code == 400
