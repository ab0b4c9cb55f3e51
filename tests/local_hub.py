"""A hub on this machine: the requests that hub clients make, answered from local files.

Repositories are folders: `root/models/org/name/…` and `root/datasets/org/name/…`.
"""

import hashlib
import json
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serving(root):
    """Yields the address of a hub with the repositories under `root`, and what it has sent.

    The latter are files, each as "datasets/org/name/path", in order.
    """
    sent: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, root, sent))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, root, sent, *args):
        self.root, self.sent = root, sent
        super().__init__(*args)

    def log_message(self, *_):
        """Nothing is logged."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(urlsplit(self.path).path).strip("/")
        if path.startswith("api/"):
            self._describe(*self._repository(path.removeprefix("api/")))
            return
        # .../resolve/<revision>/<file>; a model's address does not say that it is a model's
        kind = "" if path.startswith("datasets/") else "models/"
        repository, what = self._repository(kind + path)
        file = repository.joinpath(*what[2:])
        if what[:1] != ["resolve"] or not file.is_file():
            self._send({}, {"X-Error-Code": "EntryNotFound"}, 404)
            return
        if self.command == "GET":
            self.sent.append(file.relative_to(self.root).as_posix())
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        self._send(content, {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT})

    def do_POST(self):
        """Asked about some paths: api/<kind>/<org>/<name>/paths-info/<revision>."""
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["paths"]
        repository, _ = self._repository(urlsplit(self.path).path.removeprefix("/api/"))
        self._send([_entry(repository, path) for path in wanted if (repository / path).exists()])

    def _describe(self, repository, what):
        if not repository.is_dir():
            self._send({}, {"X-Error-Code": "RepoNotFound"}, 404)
            return
        files = sorted(path for path in repository.rglob("*") if path.is_file())
        names = [path.relative_to(repository).as_posix() for path in files]
        if what[:1] == ["tree"]:
            folder = "/".join(what[2:])
            self._send([_entry(repository, name) for name in names if name.startswith(folder)])
        else:
            siblings = [{"rfilename": name} for name in names]
            name = "/".join(repository.parts[-2:])
            self._send({"id": name, "sha": COMMIT, "siblings": siblings})

    def _repository(self, path):
        """The folder of "kind/org/name/what…", and what is asked of it."""
        parts = path.split("/")
        return self.root.joinpath(*parts[:3]), parts[3:]

    def _send(self, content, headers=None, status=200):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _entry(repository, name):
    path = repository / name
    if path.is_dir():
        return {"type": "directory", "path": name, "oid": COMMIT}
    oid = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
    return {"type": "file", "path": name, "size": path.stat().st_size, "oid": oid}
