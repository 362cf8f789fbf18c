"""Order events: one CloudEvent in, one CloudEvent out."""

import logging

from cloudevents.core.v1.event import CloudEvent

log = logging.getLogger("orders")


def on_order_created(event: CloudEvent) -> CloudEvent | None:
    order = event.get_data()
    if not order.get("lines"):
        log.warning("order %s has no lines", order.get("id"))
        return None
    total = sum(line["cents"] * line["quantity"] for line in order["lines"])
    log.info("order %s: %d cents", order["id"], total)
    return CloudEvent(
        attributes={
            "specversion": "1.0",
            "id": f"{event.get_id()}-confirmed",
            "type": "com.shop.order.confirmed",
            "source": "/functions/order-created",
            "subject": order["id"],
            "datacontenttype": "application/json",
        },
        data={"id": order["id"], "cents": total},
    )
