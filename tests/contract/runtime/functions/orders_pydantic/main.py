from pydantic import BaseModel, Field


class Item(BaseModel):
    sku: str
    quantity: int = Field(1, ge=1)


class Order(BaseModel):
    customer: str
    items: list[Item]


class Receipt(BaseModel):
    customer: str
    pieces: int


async def take(order: Order) -> Receipt:
    return Receipt(customer=order.customer, pieces=sum(item.quantity for item in order.items))


def several(order: Order) -> list[Item]:
    return order.items
