"""Which addresses may be called."""

from __future__ import annotations

import ipaddress

import pytest

from mayfly.outside import guard

NETWORKS = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00:1::/32"))


def make(*, public, networks=NETWORKS):
    return guard.Guard(networks, public=public, rule="x")


PUBLIC = ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
NAMED = ["10.1.2.3", "fd00:1::5", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3"]
NEVER = [
    "0.0.0.0",
    "10.2.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "233.252.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::127.0.0.1",
    "100::1",
    "2001::7f00:1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::",
    "fc00::1",
    "fd00:2::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
async def test_the_internet(address):
    assert make(public=True).is_allowed(address)
    assert not make(public=False).is_allowed(address)


@pytest.mark.parametrize("address", NAMED)
async def test_networks_that_the_operator_names(address):
    """They are allowed in every clothing, and without them the same addresses are not."""
    assert make(public=True).is_allowed(address)
    assert make(public=False).is_allowed(address)
    assert not make(public=True, networks=()).is_allowed(address)


@pytest.mark.parametrize("address", NEVER)
async def test_addresses_nearby(address):
    """This machine, its neighbours, the cluster and the cloud's own services are never the Internet."""
    assert not make(public=True).is_allowed(address)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7F.0.0.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("::1", "::1"),
        ("::ffff:7f00:1", "::ffff:127.0.0.1"),
    ],
)
async def test_addresses_are_recognised_however_they_are_written(host, address):
    assert guard.parse_literal(host) == ipaddress.ip_address(address)
    with pytest.raises(guard.Refused, match="may not be called"):
        make(public=True).check_literal(host)


@pytest.mark.parametrize("host", ["example.com", "localhost", "127.0.0.1.example.com", "cafe", "1.2.3.4.5", ""])
async def test_names_are_left_to_the_resolver(host):
    assert guard.parse_literal(host) is None
    make(public=True).check_literal(host)
