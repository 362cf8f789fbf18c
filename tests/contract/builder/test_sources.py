"""Sources outside: git's own server and plain files over HTTP become images; everything else is refused in words."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import subprocess
import sys
import zlib

import pytest
import pytest_asyncio

from mayfly.build import checkout
from mayfly.model import labels
from tests.contract.builder import outside_host
from tests.unit.build import archives

HELLO = "def hello(request):\n    return 'hello'\n"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest_asyncio.fixture
async def host(tmp_path):
    async with outside_host.serve(tmp_path / "host") as serving:
        yield serving


@pytest.fixture
def repository(host):
    """A repository of two functions, with its first commit."""
    made = outside_host.make_repository(host.root / "shop.git")
    files = {"README.md": "shop", "functions/hello/handler.py": HELLO, "functions/hello/data/a.txt": "a"}
    outside_host.commit(made, files)
    return made


@pytest_asyncio.fixture
async def builder(start_builder, given):
    """A builder that may fetch from this machine."""
    return await start_builder(given.model_copy(update={"source_networks": LOOPBACK}))


@pytest.fixture
def ask_git(host, name):
    """Make a request for a git source."""

    def make(**source):
        more = {key: source.pop(key) for key in ("credentials", "look", "rebuild") if key in source}
        git = {"url": f"{host.url}/shop.git", "path": "functions/hello", **source}
        return {"namespace": "shop", "name": name, "source": {"git": git}, **more}

    return make


@pytest.fixture
def ask_archive(host, name):
    """Serve an archive and make a request for it."""

    def make(data, **source):
        more = {key: source.pop(key) for key in ("credentials",) if key in source}
        host.files["/shop.tgz"] = data
        archive = {"url": f"{host.url}/shop.tgz", "sha256": hashlib.sha256(data).hexdigest(), **source}
        return {"namespace": "shop", "name": name, "source": {"archive": archive}, **more}

    return make


@pytest.mark.parametrize("modern", [True, False], ids=["protocol 2", "protocol 0"])
async def test_branch_becomes_image(builder, host, *, repository, ask_git, unpack, modern) -> None:
    """The folder of the branch's commit is the source and nothing else is; commit and URL are told and labelled."""
    host.modern = modern
    commit = outside_host.run_git(repository, "rev-parse", "HEAD")
    status = await builder.build(ask_git(revision="main"))
    assert (status.state, status.revision) == ("succeeded", commit), status.message
    root, image = await unpack(status)
    found = {path.relative_to(root / "app").as_posix() for path in (root / "app").rglob("*") if path.is_file()}
    assert found == {"handler.py", "__pycache__/handler.cpython-311.pyc", "data/a.txt"}
    assert image.labels[labels.REVISION] == commit
    assert image.labels[labels.SOURCE] == f"{host.url}/shop.git"


async def test_same_commit_is_not_fetched_twice(builder, host, repository, ask_git) -> None:
    """Looking again at a branch that stands still costs two small requests, and no build."""
    first = await builder.build(ask_git(look="1"))
    before = len(host.asked)
    again = await builder.build(ask_git(look="2"))
    assert (again.cached, again.image) == (True, first.image)
    assert [line.split("?")[0] for line in host.asked[before:]] == [
        "GET /shop.git/info/refs", "POST /shop.git/git-upload-pack",
    ]  # fmt: skip


async def test_new_commit_is_built(builder, host, repository, ask_git) -> None:
    """One look is one commit, however the branch moves meanwhile; the next look finds the new one."""
    first = await builder.build(ask_git(look="1"))
    commit = outside_host.commit(repository, {"functions/hello/handler.py": HELLO + "X = 1\n"})
    same = await builder.build(ask_git(look="1"))
    after = await builder.build(ask_git(look="2"))
    assert same.revision == first.revision
    assert (after.revision, after.state) == (commit, "succeeded")
    assert after.image != first.image


async def test_revisions(builder, repository, ask_git) -> None:
    """A tag, an annotated one too, a commit in full that no branch is at, and a name that is branch and tag."""
    first = outside_host.run_git(repository, "rev-parse", "HEAD")
    outside_host.run_git(repository, "tag", "v1")
    outside_host.run_git(repository, "tag", "--annotate", "--message", "x", "v1-signed")
    outside_host.run_git(repository, "tag", "both")
    second = outside_host.commit(repository, {"functions/hello/handler.py": HELLO + "X = 1\n"})
    outside_host.run_git(repository, "branch", "both")
    wanted = {"v1": first, "v1-signed": first, "refs/tags/both": first, first: first, "both": second, "HEAD": second}
    for revision, commit in wanted.items():
        status = await builder.build(ask_git(revision=revision))
        assert (status.state, status.revision) == ("succeeded", commit), (revision, status.message)


async def test_login(builder, host, *, repository, ask_git, unpack) -> None:
    """User and password of the Secret open a private repository, and appear in no answer, log or image."""
    host.login = outside_host.LOGIN
    user, password = host.login
    status = await builder.build(ask_git(secret="git", credentials={"username": user, "password": password}))
    assert status.state == "succeeded", status.message
    log = await builder.text(f"/v1/builds/{status.fingerprint}/log")
    root, image = await unpack(status)
    files = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    assert password not in status.model_dump_json() + log + json.dumps(image.config) + repr(vars(builder.app))
    assert password.encode() not in files


async def test_header_login(builder, host, repository, ask_git, ask_archive) -> None:
    """A header of the Secret does so for git and archive."""
    host.header = ("Private-Token", "canary-77")
    credentials = {"header": "Private-Token: canary-77"}
    for request in (
        ask_git(credentials=credentials),
        ask_archive(archives.make_tar(("handler.py", HELLO.encode())), credentials=credentials),
    ):
        assert (await builder.build(request)).state == "succeeded"


async def test_wrong_login_is_told_without_it(builder, host, *, repository, ask_git, ask_archive, caplog) -> None:
    """The refusal names the Secret and the fix; the password is in no answer, log or error."""
    host.login = outside_host.LOGIN
    wrong = {"username": "bob", "password": "canary-wrong"}
    archive = archives.make_tar(("handler.py", HELLO.encode()))
    for request in (ask_git(secret="git", credentials=wrong), ask_archive(archive, secret="git", credentials=wrong)):
        status = await builder.build(request)
        assert (status.reason, status.temporary) == ("SourceRefused", False)
        assert "refuses the login of Secret git (HTTP 401): correct Secret git" in status.message
        assert "canary" not in status.model_dump_json() + caplog.text
    missing = await builder.build(ask_git(rebuild="1"))
    assert "asks for a login (HTTP 401): name a Secret" in missing.message


@pytest.mark.parametrize("header", ["canary", "Host: canary", "A b: canary", "A: canary\nB: c", "Content-Length: 1"])
async def test_header_that_is_no_login(builder, ask_git, header) -> None:
    """One header with a login, and none that says where a request goes or ends; its text is not repeated."""
    status = await builder.build(ask_git(credentials={"header": header}))
    assert "the key header of the source's Secret is not NAME: VALUE" in status.message
    assert "canary" not in status.message


async def test_slow_host_keeps_nobody_waiting(builder, host, repository, ask_git) -> None:
    """The caller hears that the look is under way; another source is built meanwhile."""
    host.open.clear()
    waiting = await builder.build(ask_git(), wait="0.05")
    assert (waiting.state, waiting.message) == ("queued", "waiting for the git server")
    other = {"namespace": "shop", "name": "other", "source": {"inline": {"files": {"handler.py": HELLO}}}}
    assert (await builder.build(other)).state == "succeeded"
    host.open.set()
    assert (await builder.build(ask_git())).state == "succeeded"


async def test_a_login_that_comes_later(builder, host, ask_archive) -> None:
    """What was refused without a login is tried with it, although it would be the same image."""
    host.login = outside_host.LOGIN
    data = archives.make_tar(("handler.py", HELLO.encode()))
    assert (await builder.build(ask_archive(data))).reason == "SourceRefused"
    credentials = dict(zip(("username", "password"), host.login, strict=True))
    assert (await builder.build(ask_archive(data, secret="git", credentials=credentials))).state == "succeeded"


async def test_unreachable_is_temporary(builder, host, repository, ask_git) -> None:
    """A host that is down or says that it is, and an answer that breaks off, are tried again."""
    host.status = 503
    assert (await builder.build(ask_git(rebuild="1"))).temporary
    host.status, host.cut = 0, 200
    broken = await builder.build(ask_git(rebuild="2"))
    assert (broken.reason, broken.temporary) == ("SourceUnavailable", True), broken.message
    host.cut = 0
    assert (await builder.build(ask_git(rebuild="2"))).state == "succeeded"
    gone = await builder.build(ask_git(url="http://127.0.0.1:1/shop.git"))
    assert (gone.reason, gone.temporary) == ("SourceUnavailable", True)


async def test_archive_becomes_image(builder, host, ask_archive, unpack) -> None:
    """A folder of an archive is the source; asked again, nothing is fetched."""
    data = archives.make_tar(("shop-1/handler.py", HELLO.encode()), ("other/x.py", b"x"))
    request = ask_archive(data, path="shop-1")
    status = await builder.build(request)
    assert status.state == "succeeded", status.message
    root, image = await unpack(status)
    assert (root / "app/handler.py").is_file()
    assert not (root / "app/x.py").exists()
    assert image.labels[labels.REVISION] == status.revision == hashlib.sha256(data).hexdigest()
    again = await builder.build(request)
    assert again.cached
    assert host.asked == ["GET /shop.tgz"]


BAD_URLS = {
    "metadata": ("http://169.254.169.254/latest/meta-data", "169.254.169.254 may not be called"),
    "decimal loopback": ("http://2130706433/x", "may not be called"),
    "mapped loopback": ("http://[::ffff:10.0.0.1]/x", "may not be called"),
    "name of loopback": ("https://localhost/x", "may not be called"),
    "file": ("file:///etc/passwd", "write https://HOST/PATH"),
    "ext": ("ext::sh -c touch% /tmp/pwned", "write https://HOST/PATH"),
    "ssh": ("ssh://git@127.0.0.1/x", "write https://HOST/PATH"),
    "scp": ("git@127.0.0.1:x", "write https://HOST/PATH"),
    "option": ("--upload-pack=touch /tmp/pwned", "write https://HOST/PATH"),
    "shell": ("http://$(touch /tmp/pwned)/x", "may not be fetched"),
    "long label": (f"http://{'a' * 70}.example/x", "its host is no name that DNS knows"),
    "port": ("http://127.0.0.1:99999/x", "may not be fetched"),
    "user": ("http://bob:canary@127.0.0.1/x", "write https://HOST/PATH"),
}


@pytest.mark.parametrize("kind", ["git", "archive"])
@pytest.mark.parametrize(("url", "said"), BAD_URLS.values(), ids=BAD_URLS)
async def test_bad_urls(start_builder, given, name, *, kind, url, said) -> None:
    """Nothing is called, nothing is run, and the message says why, without what may be a secret."""
    narrow = given.model_copy(update={"source_networks": (ipaddress.ip_network("10.9.0.0/16"),)})
    builder = await start_builder(narrow)
    source = {"url": url, "sha256": "0" * 64} if kind == "archive" else {"url": url}
    status = await builder.build({"namespace": "shop", "name": name, "source": {kind: source}})
    assert (status.reason, status.temporary) == ("SourceRefused", False), status.message
    assert said in status.message
    assert "canary" not in status.message


async def test_plain_http_needs_the_operator(start_builder, given, host, repository, ask_git) -> None:
    """Without a named network no plain http is spoken at all."""
    status = await (await start_builder(given)).build(ask_git())
    assert "the chart's value builder.sourceNetworks" in status.message
    assert host.asked == []


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1:9/x", "http://169.254.169.254/", "https://127.0.0.1/x", "file:///etc/passwd", "//localhost/x"],
)
async def test_redirects_stay_at_home(builder, host, ask_git, ask_archive, target) -> None:
    """A redirect to another host, port or scheme is not followed; the message says where it led."""
    host.redirects = {"/shop.tgz": target, "/shop.git/info/refs": target}
    for request in (ask_git(), ask_archive(b"x")):
        status = await builder.build(request)
        assert (status.reason, status.temporary) == ("SourceRefused", False)
        assert "redirects to another host, port or scheme are not followed" in status.message


async def test_redirect_within_the_host(builder, host, repository, ask_git) -> None:
    """A repository that was renamed is found at its new place, as git finds it."""
    host.redirects = {"/old/info/refs": f"{host.url}/shop.git/info/refs?service=git-upload-pack"}
    assert (await builder.build(ask_git(url=f"{host.url}/old"))).state == "succeeded"


BAD_GIT = {
    "branch": ({"revision": "nowhere"}, "revision 'nowhere' is neither branch nor tag"),
    "short commit": ({"revision": "abc1234"}, "a commit is written in full, 40 hex digits"),
    "option": ({"revision": "--upload-pack=x"}, "is neither branch nor tag"),
    "commit": ({"revision": "0" * 40}, "does not give revision"),
    "folder": ({"path": "functions/bye"}, "there is no folder 'bye' in the commit; there are 'hello'"),
    "folder upwards": ({"path": "../x"}, "there is no folder '..'"),
    "file as folder": ({"path": "README.md"}, "there is no folder 'README.md'"),
    "repository": ({"url": "/no.git"}, "does not exist (HTTP 404)"),
    "no repository": ({"url": "/page"}, "is no git repository over HTTP"),
}


@pytest.mark.parametrize(("source", "said"), BAD_GIT.values(), ids=BAD_GIT)
async def test_bad_git_sources(builder, host, *, repository, ask_git, source, said) -> None:
    """Each is permanent, names the value and the way out."""
    host.files["/page/info/refs"] = b"<html>"
    if "url" in source:
        source = {"url": host.url + source["url"]}
    status = await builder.build(ask_git(**source))
    assert (status.reason, status.temporary) == ("SourceRefused", False), status.message
    assert said in status.message


ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
ODD_SERVERS = {
    "no packet": (b"zzzz", "does not speak git's protocol: b'zzzz' is no packet's length", False),
    "cut off": (b"00ff0123", "broke off in the middle of its answer", True),
    "error": (b"001aERR access to x denied", "it says 'access to x denied'", False),
    "empty": (b"0000", "is neither branch nor tag", False),
    "sha-256": (b"004c" + b"a" * 64 + b" HEAD\0x\n0000", "names its commits by something else than SHA-1", False),
    "old": (b"0034" + b"a" * 40 + b" HEAD\0x\n0000", "has neither protocol version 2 nor side-band-64k", False),
}


@pytest.mark.parametrize(("said", "message", "temporary"), ODD_SERVERS.values(), ids=ODD_SERVERS)
async def test_odd_servers(builder, host, *, ask_git, said, message, temporary) -> None:
    """Whatever a server says, the build ends with words."""
    host.files["/odd/info/refs"] = said
    host.kind = ADVERTISEMENT
    status = await builder.build(ask_git(url=f"{host.url}/odd"))
    assert (status.state, status.temporary) == ("failed", temporary)
    assert message in status.message


ODD_LISTS = {
    "nothing": b"",
    "a word": b"0005x0000",
    "a blank": b"0005 0000",
    "marks": b"000100020003-001",
    "bytes": b"0008\xff\xfe\x00\x010000",
    "another": b"0033" + b"a" * 40 + b" HEAD2\n" + b"0000",
}


@pytest.mark.parametrize("said", ODD_LISTS.values(), ids=ODD_LISTS)
async def test_odd_lists(builder, host, ask_git, said) -> None:
    """A list that does not have the revision does not have it, whatever else it is."""
    host.files = {"/odd/info/refs": b"000eversion 2\n0000", "/odd/git-upload-pack": said}
    host.kind = ADVERTISEMENT
    status = await builder.build(ask_git(url=f"{host.url}/odd"))
    assert "revision 'HEAD' is neither branch nor tag" in status.message


async def test_broken_builder_is_not_the_authors(builder, repository, ask_git, monkeypatch, tmp_path) -> None:
    """An installation without dulwich says so, and is tried again."""
    program = tmp_path / "unpack.py"
    program.write_text("import no_such_module\n")
    monkeypatch.setattr(checkout, "_PROGRAM", program)
    status = await builder.build(ask_git())
    assert (status.reason, status.temporary) == ("BuilderUnavailable", True)
    assert "cannot unpack repositories: ModuleNotFoundError: No module named 'no_such_module'" in status.message


def test_only_the_child_loads_dulwich() -> None:
    """The builder itself is spared its 16 MB."""
    code = "import sys, mayfly.builder.app; print('dulwich' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout == "False\n"


async def test_links_and_modules(builder, repository, ask_git) -> None:
    """A link is refused where it would be taken, a submodule is left out, and both are named."""
    outside_host.run_git(repository, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},functions/hello/lib")
    outside_host.run_git(repository, "commit", "--quiet", "--message", "submodule")
    status = await builder.build(ask_git(look="1"))
    assert status.state == "succeeded", status.message
    assert any("submodule 'lib' is left out" in line for line in status.log)
    (repository / "functions/hello/secrets").symlink_to("/etc/passwd")
    outside_host.commit(repository, {})
    refused = await builder.build(ask_git(look="2"))
    assert "'secrets' is a symbolic link" in refused.message


async def test_sizes_are_held(start_builder, given, *, host, repository, ask_git, ask_archive) -> None:
    """A repository or an archive that is too large is cut off while it comes; what unpacks too large, then."""
    small = given.model_copy(
        update={"source_networks": LOOPBACK, "max_source_bytes": 100_000, "max_unpacked_bytes": 1_000_000}
    )
    builder = await start_builder(small)
    outside_host.commit(repository, {"functions/hello/zeros": bytes(2_000_000)})
    unpacked = await builder.build(ask_git(look="1"))
    assert "the source unpacks to more than 1000000 bytes" in unpacked.message
    noise = hashlib.shake_256(b"x").digest(300_000)
    outside_host.commit(repository, {"functions/hello/noise": noise})
    large = await builder.build(ask_git(look="2"))
    assert "is larger than 100000 bytes, packed" in large.message
    archive = await builder.build(ask_archive(noise))
    assert "the archive has 300000 bytes; 100000 bytes are allowed" in archive.message
    assert {status.reason for status in (unpacked, large, archive)} == {"SourceRefused"}


async def test_tree_bomb(builder, host, ask_git) -> None:
    """Ten trees that each name the next ten times mean 10^10 files in 1 kB; counting stops it at once."""
    bomb = outside_host.make_repository(host.root / "bomb.git")
    outside_host.commit(bomb, {"x": "x"})
    entry, kind = outside_host.run_git(bomb, "rev-parse", "HEAD:x"), "100644 blob"
    for _ in range(10):
        lines = "".join(f"{kind} {entry}\t{number}\n" for number in range(10))
        entry = outside_host.run_git(bomb, "mktree", stdin=lines)
        kind = "040000 tree"
    commit = outside_host.run_git(bomb, "commit-tree", entry, "-m", "bomb")
    outside_host.run_git(bomb, "update-ref", "refs/heads/bomb", commit)
    status = await builder.build(ask_git(url=f"{host.url}/bomb.git", revision="bomb", path=None))
    assert "the source has more than 10000 files and folders" in status.message


def make_pack_bomb() -> bytes:
    """Return a pack of 1 MB with one blob of 1 GB (https://git-scm.com/docs/gitformat-pack)."""
    size, kind = 1 << 30, 3
    head, rest = [(kind << 4) | (size & 15) | 128], size >> 4
    while rest > 127:
        head.append(rest & 127 | 128)
        rest >>= 7
    packer, zeros = zlib.compressobj(1), bytes(1 << 20)
    body = b"".join([*(packer.compress(zeros) for _ in range(size >> 20)), packer.flush()])
    pack = b"PACK" + (2).to_bytes(4, "big") + (1).to_bytes(4, "big") + bytes([*head, rest]) + body
    return pack + hashlib.sha1(pack, usedforsecurity=False).digest()


async def test_pack_bomb(builder, host, ask_git) -> None:
    """An object that fills the memory ends the child process, not the builder, in words."""
    pack = make_pack_bomb()
    pieces = [b"\1" + pack[at : at + 65000] for at in range(0, len(pack), 65000)]
    packets = b"".join(f"{len(piece) + 4:04x}".encode() + piece for piece in pieces)
    host.files = {
        "/odd/info/refs": b"000eversion 2\n0000",
        "/odd/git-upload-pack": b"000dpackfile\n" + packets + b"0000",
    }
    host.kind = ADVERTISEMENT
    status = await builder.build(ask_git(url=f"{host.url}/odd", revision="a" * 40))
    assert "an object of the repository is too large to be unpacked" in status.message
    assert (await builder.client.get("/healthz")).status == 200


BAD_ARCHIVES = {
    "upwards": archives.make_tar(("../handler.py", HELLO.encode())),
    "link": archives.make_tar(("handler.py", archives.LINK)),
    "tar bomb": archives.make_tar(("zeros", bytes(20_000_000))),
    "zip bomb": archives.make_zip(("zeros", bytes(20_000_000))),
    "no archive": b"<html>",
}


@pytest.mark.parametrize("data", BAD_ARCHIVES.values(), ids=BAD_ARCHIVES)
async def test_bad_archives(builder, ask_archive, data) -> None:
    """What an upload may not hold, an archive from outside may not hold either."""
    status = await builder.build(ask_archive(data))
    assert (status.reason, status.temporary) == ("SourceRefused", False)


async def test_other_content_than_promised(builder, host, ask_archive) -> None:
    """An archive with another checksum is not unpacked; both sums are named."""
    request = ask_archive(archives.make_tar(("handler.py", HELLO.encode())))
    host.files["/shop.tgz"] = b"other"
    status = await builder.build(request)
    wanted = request["source"]["archive"]["sha256"]
    assert (status.reason, status.temporary) == ("SourceRefused", False)
    assert f"has the SHA-256 {hashlib.sha256(b'other').hexdigest()}, not {wanted}" in status.message


async def test_no_folder_in_archive(builder, ask_archive) -> None:
    """The message names what there is."""
    status = await builder.build(ask_archive(archives.make_tar(("shop-1/handler.py", b"")), path="shop"))
    assert "source.archive.path 'shop': the archive has no such folder; at its top are 'shop-1'" in status.message


async def test_request_is_not_repeated(builder, ask_git) -> None:
    """A request that is wrong is refused without its values."""
    answer = await builder.post(json.dumps(ask_git(credentials={"pass": "canary"})))
    assert answer.status == 400
    assert "canary" not in await answer.text()
