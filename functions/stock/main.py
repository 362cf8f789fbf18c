"""Reserve what was paid for: an event in, an event out."""

import logging

from cloudevents.core.v1.event import CloudEvent

log = logging.getLogger("stock")


def on_payment_captured(event: CloudEvent) -> CloudEvent:
    order = event.get_data()
    log.info("order %s: reserved", order["id"])
    return CloudEvent(
        attributes={
            "specversion": "1.0",
            "id": f"{order['id']}-reserved",
            "type": "com.shop.stock.reserved",
            "source": "/functions/stock",
            "subject": order["id"],
            "datacontenttype": "application/json",
        },
        data=order,
    )
