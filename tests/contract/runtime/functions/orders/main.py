"""An order desk whose functions say in their type hints what they take."""

import datetime
import enum
from dataclasses import dataclass, field
from typing import Literal, TypedDict


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass
class Item:
    sku: str
    quantity: int = 1
    size: Size = Size.SMALL

    def __post_init__(self):
        if self.quantity < 1:
            raise ValueError("quantity must be 1 or more")


@dataclass
class Order:
    customer: str
    items: list[Item]
    due: datetime.date | None = None
    priority: Literal["low", "high"] = "low"
    notes: dict[str, str] = field(default_factory=dict)


@dataclass
class Receipt:
    customer: str
    pieces: int
    due: datetime.date | None
    largest: str


class Page(TypedDict):
    number: int
    compact: bool


def take(order: Order) -> Receipt:
    """Take an order.

    Answers with a receipt.
    """
    largest = max((item.size.value for item in order.items), default="-")
    return Receipt(order.customer, sum(item.quantity for item in order.items), order.due, largest)


def show(page: Page):
    return {"page": page["number"] + 1, "compact": page["compact"]}


def bare(anything):
    return anything
