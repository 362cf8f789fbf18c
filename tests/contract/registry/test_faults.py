"""Whatever the network and the registry do, a push ends whole or with a clear error, and a manifest comes last."""

from __future__ import annotations

import asyncio
import email.utils
import io
import time

import aiohttp
import pytest

from mayfly import errors
from mayfly.registry import answer, pull, push, transport
from tests.contract.registry import make


@pytest.fixture
def pushed():
    return make.make_image(make.make_layer("one", 300_000), make.make_layer("two", 1000))


async def assert_whole(client, ref, image):
    """Every blob that the manifest names is in the repository."""
    assert (await client.get_manifest(ref)).digest == image.digest
    for digest, size in [(image.config_digest, len(image.config_bytes)), *((i.digest, i.size) for i in image.layers)]:
        assert len(await client.read_blob(repository=ref.repository, digest=digest, size=size)) == size


TEMPORARY = [
    pytest.param("HEAD .*/blobs/", {"status": 500}, id="500 on looking for a blob"),
    pytest.param("POST ", {"status": 503, "times": 2}, id="503 on opening uploads"),
    pytest.param("PUT .*/uploads/", {"status": 502}, id="502 on sending a blob"),
    pytest.param("PUT .*/manifests/", {"status": 504}, id="504 on the manifest"),
    pytest.param("PUT .*/manifests/", {"status": 429, "headers": {"Retry-After": "0"}}, id="429"),
    pytest.param("PUT .*/uploads/", {"cut_request": 100_000}, id="reset while a blob goes up"),
    pytest.param("PUT .*/uploads/", {"cut_answer": 0}, id="reset after a blob went up"),
    pytest.param("PUT .*/uploads/", {"status": 404}, id="upload lost by a restart"),
    pytest.param("PUT .*/manifests/", {"cut_answer": 0}, id="reset after the manifest"),
]


@pytest.mark.parametrize(("pattern", "fault"), TEMPORARY)
async def test_push_survives(*, proxy, make_client, make_ref, client, pushed, pattern, fault):
    """A temporary failure is tried again and the image is whole."""
    proxy.fail(pattern, **fault)
    ref = await push.push_image(make_client(proxy.host), pushed, make_ref(host=proxy.host))
    assert proxy.faults[0].times == 0
    await assert_whole(client, make_ref().with_digest(ref.digest), pushed)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_lasting_trouble_is_temporary_and_named(proxy, make_client, make_ref, pushed, status):
    """After a few attempts the error names host and status, and a later build may try again."""
    proxy.fail("POST ", status=status, times=1000)
    with pytest.raises(errors.RegistryError, match=rf"{proxy.host} answered {status} .*attempts: 4") as caught:
        await push.push_image(make_client(proxy.host), pushed, make_ref(host=proxy.host))
    assert caught.value.temporary
    assert proxy.count("/manifests/") == 0


@pytest.mark.parametrize(("status", "advice"), [(400, "distribution"), (403, "right"), (413, "limit"), (418, "log")])
async def test_refusal_is_permanent_and_not_repeated(*, proxy, make_client, make_ref, pushed, status, advice):
    """A refusal is reported with the registry's own code and what to do; it is not tried again."""
    body = b'{"errors": [{"code": "DENIED", "message": "no"}]}'
    proxy.fail("PUT .*/manifests/", status=status, body=body, times=1000)
    with pytest.raises(errors.RegistryError, match=rf"DENIED: no.*{advice}") as caught:
        await push.push_image(make_client(proxy.host), pushed, make_ref(host=proxy.host))
    assert (caught.value.temporary, caught.value.codes) == (False, ("DENIED",))
    assert proxy.count("PUT .*/manifests/") == 1


async def test_failed_blob_means_no_manifest(proxy, make_client, make_ref, client, pushed):
    """If one blob cannot go up no manifest is written; the next push completes the image."""
    proxy.fail("PUT .*/uploads/", status=403)
    ref = make_ref(host=proxy.host)
    with pytest.raises(errors.RegistryError):
        await push.push_image(make_client(proxy.host), pushed, ref)
    assert await client.head_manifest(make_ref()) is None
    await push.push_image(make_client(proxy.host), pushed, ref)
    await assert_whole(client, make_ref(), pushed)


@pytest.mark.parametrize("point", ["HEAD ", "POST ", "PUT .*/uploads/", "PUT .*/manifests/"])
async def test_killed_push_leaves_nothing_broken(*, proxy, make_client, make_ref, client, pushed, point):
    """A push that dies at any request leaves no manifest without its blobs, and may be repeated."""
    proxy.hold(point)
    work = asyncio.create_task(push.push_image(make_client(proxy.host), pushed, make_ref(host=proxy.host)))
    await asyncio.wait_for(proxy.held.wait(), 10)
    work.cancel()
    await asyncio.wait([work])
    proxy.release()
    assert await client.head_manifest(make_ref()) is None
    await push.push_image(make_client(proxy.host), pushed, make_ref(host=proxy.host))
    await assert_whole(client, make_ref(), pushed)


async def test_manifest_comes_after_every_blob(proxy, make_client, make_ref, pushed):
    """The registry confirmed each blob before it was given the manifest."""
    await push.push_image(make_client(proxy.host), pushed, make_ref(host=proxy.host))
    methods = [line.split()[0] + line.split("/")[-2] for line, _ in proxy.sent_on]
    assert methods[-1] == "PUTmanifests"
    assert sum(line.startswith("PUT") and status == 201 for line, status in proxy.sent_on) == 4


async def test_download_resumes_after_reset(proxy, make_client, client, make_ref):
    """A blob that breaks off goes on where it stopped, and its digest is right."""
    layer = make.make_layer("resume", 400_000)
    await push.push_image(client, make.make_image(layer), make_ref())
    proxy.fail("GET .*/blobs/", cut_answer=150_000)
    out = io.BytesIO()
    await make_client(proxy.host).fetch_blob(out, repository=make_ref().repository, digest=layer.digest)
    assert layer.content().read() == out.getvalue()
    assert [headers.get("Range") for headers in proxy.headers_seen] == [None, "bytes=150000-"]


async def test_download_resumes_without_ranges(proxy, make_client, client, make_ref):
    """A registry that ignores the range sends all, and what we have is skipped."""
    layer = make.make_layer("whole", 400_000)
    await push.push_image(client, make.make_image(layer), make_ref())
    proxy.drop_request_headers.add("Range")
    proxy.fail("GET .*/blobs/", cut_answer=150_000)
    out = io.BytesIO()
    await make_client(proxy.host).fetch_blob(out, repository=make_ref().repository, digest=layer.digest)
    assert layer.content().read() == out.getvalue()


def flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


@pytest.mark.parametrize("change", [flip, lambda data: data + b"more", lambda data: data[:-1]], ids=["bit", "+", "-"])
async def test_damaged_blob_is_read_again(proxy, make_client, client, make_ref, change):
    """A blob of the wrong digest is dropped and read once more."""
    layer = make.make_layer("damage", 100_000)
    await push.push_image(client, make.make_image(layer), make_ref())
    proxy.fail("GET .*/blobs/", change=change)
    data = await make_client(proxy.host).read_blob(
        repository=make_ref().repository, digest=layer.digest, size=layer.size
    )
    assert layer.content().read() == data


@pytest.mark.parametrize("what", ["manifests", "blobs"])
async def test_lasting_damage_is_never_used(*, proxy, make_client, client, make_ref, pushed, what):
    """Content that stays wrong is an error that names both digests."""
    ref = await push.push_image(client, pushed, make_ref())
    proxy.fail(f"GET .*/{what}/", change=flip, times=1000)
    with pytest.raises(answer.Corrupt, match=r"should have digest sha256:.* but has sha256:") as caught:
        await pull.pull_image(make_client(proxy.host), make_ref(host=proxy.host).with_digest(ref.digest))
    assert caught.value.temporary


async def test_damaged_upload_is_refused(client, repository):
    """The registry checks what it gets: wrong content under a digest is an error, not a blob."""
    digest = make.make_layer("right").digest
    with pytest.raises(errors.RegistryError, match="DIGEST_INVALID"):
        await client.push_blob(repository=repository, digest=digest, size=5, content=lambda: io.BytesIO(b"wrong"))
    assert not await client.has_blob(repository=repository, digest=digest)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 502}, id="502"),
        pytest.param({"cut_request": 100_000}, id="reset in a chunk"),
        pytest.param({"cut_answer": 0}, id="reset after a chunk"),
    ],
)
async def test_chunked_upload_survives(proxy, make_client, make_ref, client, fault):
    """A chunk that is lost is sent again, or the upload begun anew."""
    layer = make.make_layer("chunk", 900_000)
    proxy.fail("PATCH ", **fault)
    ref = make_ref(host=proxy.host)
    await push.push_image(make_client(proxy.host, chunk_bytes=200_000), make.make_image(layer), ref)
    await assert_whole(client, make_ref(), make.make_image(layer))


async def test_an_upload_that_is_lost_is_begun_anew(proxy, make_client, make_ref, client):
    """A registry may notice only at the next chunk that a broken one cost the whole upload."""
    layer = make.make_layer("lost", 900_000)
    for status in (502, 404):
        proxy.fail("PATCH ", status=status)
    ref = make_ref(host=proxy.host)
    await push.push_image(make_client(proxy.host, chunk_bytes=200_000), make.make_image(layer), ref)
    assert proxy.count("POST .*/blobs/uploads/") >= 2
    await assert_whole(client, make_ref(), make.make_image(layer))


async def test_refused_chunks_fall_back_to_one_piece(proxy, make_client, make_ref, client):
    """A registry that knows no chunks gets the blob whole."""
    layer = make.make_layer("whole", 900_000)
    proxy.fail("PATCH ", status=405, times=1000)
    ref = make_ref(host=proxy.host)
    await push.push_image(make_client(proxy.host, chunk_bytes=200_000), make.make_image(layer), ref)
    assert proxy.count("PATCH ") == 1
    await assert_whole(client, make_ref(), make.make_image(layer))


async def test_long_retry_after_is_left_to_the_queue(proxy, make_client, make_ref):
    """A registry that wants more patience than a worker has is reported at once, with its wish."""
    later = email.utils.formatdate(time.time() + 3600, usegmt=True)
    proxy.fail("HEAD ", status=429, headers={"Retry-After": later}, times=1000)
    with pytest.raises(answer.Refusal) as caught:
        await make_client(proxy.host).head_manifest(make_ref(host=proxy.host))
    assert caught.value.retry_after_seconds > 3000
    assert proxy.count("HEAD ") == 1


async def test_endless_error_body_is_capped(proxy, make_client, make_ref):
    """An error page of any length gives a short message."""
    proxy.fail("GET ", status=403, body=b"<html>" * 1_000_000)
    with pytest.raises(errors.RegistryError) as caught:
        await make_client(proxy.host).get_manifest(make_ref(host=proxy.host))
    assert len(str(caught.value)) < 700


async def test_no_registry_at_all(make_client, unused_host):
    """A host where nothing listens is a temporary error that says what to check."""
    client = make_client(unused_host)
    with pytest.raises(errors.RegistryError, match="registry_insecure") as caught:
        await client.has_blob(repository="a/b", digest=make.make_layer("x").digest)
    assert (caught.value.status, caught.value.temporary) == (None, True)


async def test_tls_against_plain_http(client, make_client, make_ref):
    """Speaking TLS to a plain registry fails in our own words."""
    with pytest.raises(errors.RegistryError, match="registry_insecure"):
        await make_client(client.host, insecure=False).head_manifest(make_ref())


async def test_stalled_registry_times_out(proxy, make_client, make_ref):
    """A registry that takes the request and then says nothing is given up."""
    proxy.hold("HEAD ")
    brief = aiohttp.ClientTimeout(sock_read=0.2)
    async with transport.open_session(timeout=brief) as session:
        with pytest.raises(errors.RegistryError, match="did not answer HEAD") as caught:
            await make_client(proxy.host, session=session).head_manifest(make_ref(host=proxy.host))
    proxy.release()
    assert caught.value.temporary


async def test_endless_redirects_end(proxy, make_client, make_ref):
    """A redirect loop is an error."""
    proxy.fail("GET ", status=307, headers={"Location": "/v2/again"}, times=1000)
    with pytest.raises(errors.RegistryError, match="redirects"):
        await make_client(proxy.host).get_manifest(make_ref(host=proxy.host))
