"""The way to the hosts of sources: judged at every connection, and no further than the host that was named."""

from __future__ import annotations

import ipaddress
import ssl

import pytest
import trustme

from mayfly import errors
from mayfly.build import git
from mayfly.model import build
from mayfly.outside import download
from tests.contract.eventing.test_outside import Names, listening

ALLOWED, OTHER = "127.0.0.2", "127.0.0.3"
NETWORKS = (ipaddress.ip_network(f"{ALLOWED}/32"),)
VERSION_2 = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nContent-Length: 18\r\n\r\n"
    b"000eversion 2\n0000"
)


async def read(downloads, url):
    async with downloads.open(url, headers={}) as answer:
        return await answer.read()


async def test_a_name_is_judged_at_every_connection():
    """A name that is fine for the list of revisions and leads elsewhere a moment later gets nobody called there."""
    names = Names([ALLOWED], [OTHER])
    downloads = download.Downloads(NETWORKS, names=names)
    async with listening(ALLOWED, OTHER, answer=VERSION_2) as (listener, port):
        source = build.GitSource(url=f"http://git.example:{port}/shop.git", revision="main")
        with pytest.raises(errors.SourceError, match=r"git.example may not be called: https goes to addresses"):
            await git.resolve(downloads, source, None)
        assert (listener.hits, names.asked) == (1, 2)
    await downloads.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_addresses_nearby_are_refused_before_they_are_called(scheme):
    """By name as by number; the refusal is for good and says what the operator can do."""
    downloads = download.Downloads(NETWORKS, names=Names([OTHER, "169.254.169.254", "10.96.0.1"]))
    async with listening(OTHER) as (listener, port):
        for host in ("git.example", OTHER, "0x7f000003", "2130706435"):
            with pytest.raises(errors.SourceError, match=r"the chart's value builder\.sourceNetworks") as refused:
                await read(downloads, f"{scheme}://{host}:{port}/")
            assert not refused.value.temporary
        assert listener.hits == 0
    await downloads.close()


async def test_https_knows_the_host_by_its_certificate():
    """A host with the right one is read; one with another's gets nothing, the login least of all."""
    authority = trustme.CA()
    client = ssl.create_default_context()
    authority.configure_trust(client)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("git.example").configure_cert(served)
    downloads = download.Downloads(NETWORKS, names=Names([ALLOWED]), tls=client)
    async with listening(ALLOWED, tls=served) as (listener, port):
        assert await read(downloads, f"https://git.example:{port}/") == b"ok"
        with pytest.raises(errors.SourceUnavailable, match="certificate"):
            await read(downloads, f"https://other.example:{port}/")
        assert b"other" not in listener.heard
    await downloads.close()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://bob:canary@host/a", "https://host/a"),
        ("https://host/a?token=canary#canary", "https://host/a"),
        ("https://host:99999/canary", "the URL"),
    ],
)
def test_what_is_shown_of_a_url(url, shown):
    """No user, query or fragment: they may be secrets."""
    assert download.show(url) == shown
