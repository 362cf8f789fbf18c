"""Capture the money of a confirmed order: an event in, an event out."""

import logging

from cloudevents.core.v1.event import CloudEvent

log = logging.getLogger("payment")


def on_order_confirmed(event: CloudEvent) -> CloudEvent:
    order = event.get_data()
    log.info("order %s: captured %d cents", order["id"], order["cents"])
    return CloudEvent(
        attributes={
            "specversion": "1.0",
            "id": f"{order['id']}-paid",
            "type": "com.shop.payment.captured",
            "source": "/functions/payment",
            "subject": order["id"],
            "datacontenttype": "application/json",
        },
        data=order,
    )
