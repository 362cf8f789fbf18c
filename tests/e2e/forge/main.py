"""A forge as a function: serves one git repository, and takes commits at /commit, a JSON object of paths and texts."""

from __future__ import annotations

import json
import tempfile
import time

from dulwich import index, objects, repo, server, web

SHOP = repo.Repo.init_bare(tempfile.mkdtemp(), default_branch=b"main")
GIT = web.make_wsgi_chain(server.DictBackend({"/shop.git": SHOP}))


def commit(files):
    """Make a commit of ``files`` the head of main; return its id."""
    made = []
    for path, text in files.items():
        blob = objects.Blob.from_string(text.encode())
        SHOP.object_store.add_object(blob)
        made.append((path.encode(), blob.id, 0o100644))
    change = objects.Commit()
    change.tree = index.commit_tree(SHOP.object_store, made)
    change.author = change.committer = b"A <a@example.com>"
    change.author_time = change.commit_time = int(time.time())
    change.author_timezone = change.commit_timezone = 0
    change.message = b"change"
    SHOP.object_store.add_object(change)
    SHOP.refs[b"refs/heads/main"] = change.id
    return change.id.decode()


def app(environ, start_response):
    """Answer git, and commits."""
    if environ["PATH_INFO"] != "/commit":
        return GIT(environ, start_response)
    size = int(environ.get("CONTENT_LENGTH") or 0)
    answer = commit(json.loads(environ["wsgi.input"].read(size)))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer.encode()]
