"""Tell the customer: hand the mail to a provider's HTTP interface, and fail loudly when it does not take it."""

import json
import logging
import os
import urllib.request

log = logging.getLogger("mail")


def on_stock_reserved(event):
    order = event.data
    mail = {"subject": f"Your order {order['id']} is on its way", "cents": order["cents"]}
    url = os.environ.get("MAIL_URL")
    if not url:
        log.warning("no MAIL_URL, so the mail goes nowhere: %s", mail["subject"])
        return
    request = urllib.request.Request(  # noqa: S310  (the operator's own address)
        url, data=json.dumps(mail).encode(), headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5):  # noqa: S310
        log.info("order %s: mail sent", order["id"])
