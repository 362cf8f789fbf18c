import asyncio

LOOP = asyncio.get_event_loop()


async def double(number):
    return number * 2


def handle(request):
    return {"got": asyncio.get_event_loop().run_until_complete(double(21))}
