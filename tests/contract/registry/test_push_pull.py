"""What is pushed is what is pulled, and nothing is sent twice."""

from __future__ import annotations

import dataclasses
import io
import tempfile

import pytest

from mayfly import errors
from mayfly.image import entry, image, manifest, media, reference, tar, validate
from mayfly.registry import pull, push
from tests.contract.registry import make


async def test_pulled_image_is_the_pushed_one(client, make_client, make_ref):
    """Manifest and config come back byte for byte, and the digest with them."""
    pushed = make.make_image(make.make_layer("a"), make.make_layer("b"))
    ref = await push.push_image(client, pushed, make_ref())
    assert str(make_ref().with_digest(pushed.digest)) == str(ref)
    for where in (ref, make_ref()):
        pulled = await pull.pull_image(make_client(client.host), where)
        assert pushed.manifest_bytes == pulled.manifest_bytes
        assert pushed.config_bytes == pulled.config_bytes
        assert pushed.layers == pulled.layers
        assert pulled.labels == {"mayfly.dev/x": "y"}


async def test_lazy_layer_can_be_fetched(client, make_client, make_ref):
    """A pulled layer has no content until it is fetched; then the image is sound."""
    layer = make.make_layer("lazy", 300_000)
    ref = await push.push_image(client, make.make_image(layer), make_ref())
    fresh = make_client(client.host)
    pulled = await pull.pull_image(fresh, ref)
    assert pulled.layers[0].content is None
    with tempfile.TemporaryFile() as out:
        fetched = await pull.fetch_layer(fresh, pulled.layers[0], out)
        validate.validate(dataclasses.replace(pulled, layers=(fetched,)))
        assert layer.content().read() == fetched.content().read()


async def test_head_tells_present_from_absent(client, make_ref):
    """A missing manifest is ``None``, not an error."""
    assert await client.head_manifest(make_ref(tag="nothing")) is None
    pushed = make.make_image(make.make_layer("head"))
    await push.push_image(client, pushed, make_ref())
    found = await client.head_manifest(make_ref())
    assert (pushed.digest, len(pushed.manifest_bytes), media.OCI_MANIFEST) == (
        found.digest,
        found.size,
        found.media_type,
    )


async def test_missing_manifest_is_named(client, make_ref):
    """Getting what is not there says where it was looked for, and is permanent."""
    with pytest.raises(errors.RegistryError, match=client.host) as caught:
        await client.get_manifest(make_ref(tag="nothing"))
    assert (caught.value.status, caught.value.temporary) == (404, False)
    assert caught.value.codes == ("MANIFEST_UNKNOWN",)


async def test_layers_of_other_repositories_are_mounted(proxy, make_client, make_ref):
    """An image on a pulled base sends its own layer only."""
    first = make_client(proxy.host)
    base = make.make_image(make.make_layer("base", 500_000), make.make_layer("deps", 500_000))
    await push.push_image(first, base, make_ref("/base", host=proxy.host))
    client = make_client(proxy.host)
    pulled = await pull.pull_image(client, make_ref("/base", host=proxy.host))
    made = image.append(pulled, [make.make_layer("code")])
    proxy.seen.clear()
    await push.push_image(client, made, make_ref("/fn", host=proxy.host))
    assert proxy.count("POST .*mount=") == 2
    assert proxy.count("PUT .*/blobs/uploads/") == 2  # code and config
    assert proxy.count("GET ") == 0


async def test_code_change_costs_few_requests(proxy, make_client, make_ref):
    """A process that has seen the other layers asks twice about each new blob, sends it, then the manifest."""
    client = make_client(proxy.host)
    base = make.make_image(make.make_layer("base"))
    await push.push_image(client, image.append(base, [make.make_layer("code 1")]), make_ref(host=proxy.host))
    proxy.seen.clear()
    await push.push_image(client, image.append(base, [make.make_layer("code 2")]), make_ref(host=proxy.host))
    assert sorted(line.split()[0] for line in proxy.seen) == ["HEAD"] * 2 + ["POST"] * 2 + ["PUT"] * 3
    assert "/manifests/" in proxy.seen[-1]


async def test_second_push_sends_nothing(proxy, make_client, make_ref):
    """Pushing again from another process asks for each blob and sends none."""
    pushed = make.make_image(make.make_layer("again"))
    await push.push_image(make_client(proxy.host), pushed, make_ref(host=proxy.host))
    proxy.seen.clear()
    await push.push_image(make_client(proxy.host), pushed, make_ref(host=proxy.host))
    assert sorted(line.split()[0] for line in proxy.seen) == ["HEAD", "HEAD", "PUT"]


async def test_layer_known_elsewhere_is_mounted(proxy, make_client, make_ref):
    """A layer made here that this process pushed to one repository is mounted into the next."""
    client, shared = make_client(proxy.host), make.make_layer("runtime")
    await push.push_image(client, make.make_image(shared), make_ref("/one", host=proxy.host))
    proxy.seen.clear()
    await push.push_image(client, make.make_image(shared, make.make_layer("x")), make_ref("/two", host=proxy.host))
    assert proxy.count(f"POST .*mount={shared.digest}") == 1


async def test_given_repositories_are_tried_for_large_layers(proxy, make_client, make_ref):
    """``mount_from`` spares a new process the upload of a large layer."""
    large = make.make_layer("large", 2 * push.SMALL_BYTES)
    await push.push_image(make_client(proxy.host), make.make_image(large), make_ref("/one", host=proxy.host))
    proxy.seen.clear()
    await push.push_image(
        make_client(proxy.host),
        make.make_image(large),
        make_ref("/two", host=proxy.host),
        mount_from=[make_ref("/nowhere").repository, make_ref("/one").repository],
    )
    assert proxy.count("PUT .*/blobs/uploads/") <= 1  # the config at most
    assert proxy.count("DELETE ") == 1  # the upload opened by the mount that failed


async def test_base_from_another_registry_is_copied(farm, tmp_path, client, make_client, make_ref):
    """A layer that cannot be mounted is copied from its origin."""
    other = make_client(farm.start(tmp_path).host)
    base = make.make_image(make.make_layer("far", 200_000))
    at = await push.push_image(other, base, make_ref(host=other.host))
    made = image.append(await pull.pull_image(other, at), [make.make_layer("near")])
    ref = await push.push_image(client, made, make_ref(), source=other)
    assert (await client.get_manifest(ref)).digest == made.digest


async def test_large_blob_goes_in_chunks(proxy, make_client, make_ref):
    """Chunks arrive in order and whole."""
    layer = make.make_layer("chunks", 1_000_000)
    client = make_client(proxy.host, chunk_bytes=200_000)
    ref = await push.push_image(client, make.make_image(layer), make_ref(host=proxy.host))
    assert proxy.count("PATCH ") == 6
    out = io.BytesIO()
    await client.fetch_blob(out, repository=ref.repository, digest=layer.digest)
    assert layer.content().read() == out.getvalue()


async def test_docker_dialect_is_kept(client, make_ref):
    """Layers on a Docker v2 schema 2 base take its media types, and the registry takes the image."""
    base = image.Image(
        config_bytes=image.empty().config_bytes, media_type=media.DOCKER_MANIFEST, config_type=media.DOCKER_CONFIG
    )
    made = validate.validate(image.append(base, [make.make_layer("docker")]))
    ref = await push.push_image(client, made, make_ref())
    pulled = await pull.pull_image(client, ref)
    assert (pulled.media_type, pulled.config_type) == (media.DOCKER_MANIFEST, media.DOCKER_CONFIG)
    assert [item.media_type for item in pulled.layers] == [media.DOCKER_LAYER]


async def test_index_gives_the_wanted_platform(client, make_ref):
    """Of an index the image of the wanted platform is pulled; the default is linux/amd64."""
    arm = manifest.Platform(os="linux", architecture="arm64", variant="v8")
    images = {str(platform): image.empty(platform) for platform in (arm, manifest.LINUX_AMD64)}
    described = []
    for made in images.values():
        await push.push_image(client, made, make_ref().with_digest(made.digest))
        platform = {key: made.config[key] for key in ("os", "architecture", "variant") if key in made.config}
        size = len(made.manifest_bytes)
        described.append({"mediaType": media.OCI_MANIFEST, "digest": made.digest, "size": size, "platform": platform})
    data = manifest.make_json({"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": described})
    await client.push_manifest(make_ref(), data=data, media_type=media.OCI_INDEX)
    assert (await pull.pull_image(client, make_ref())).digest == images["linux/amd64"].digest
    found = await pull.pull_image(client, make_ref(), platform=manifest.Platform(os="linux", architecture="arm64"))
    assert found.digest == images["linux/arm64/v8"].digest
    with pytest.raises(errors.InvalidImage, match=r"linux/s390x.*offers linux/arm64/v8, linux/amd64"):
        await pull.pull_image(client, make_ref(), platform=manifest.Platform(os="linux", architecture="s390x"))


async def test_registry_that_lost_blobs_is_filled_again(registry, client, make_ref):
    """A cleaned registry refuses the manifest; the memo is dropped and everything is sent again."""
    shared = make.make_layer("lost")
    ref = await push.push_image(client, make.make_image(shared), make_ref())
    link = registry.storage / f"docker/registry/v2/repositories/{ref.repository}/_layers/sha256"
    (link / shared.digest.partition(":")[2] / "link").unlink()
    made = make.make_image(shared, make.make_layer("new"))
    await push.push_image(client, made, make_ref())
    assert (await client.get_manifest(make_ref())).digest == made.digest


async def test_reference_of_another_host_is_refused(client, make_ref):
    """A client never takes one registry's reference to another."""
    with pytest.raises(errors.InvalidName, match="own host"):
        await client.head_manifest(make_ref(host="elsewhere.example"))


async def test_large_layer_from_a_file(client, make_ref, tmp_path):
    """A layer packed into a file is uploaded from it."""
    (tmp_path / "data").write_bytes(bytes(5_000_000))
    with tempfile.TemporaryFile() as out:
        layer = tar.make_layer(entry.make_tree(tmp_path, "opt/data"), out)
        ref = await push.push_image(client, make.make_image(layer), make_ref())
    assert isinstance(ref, reference.ImageRef)
