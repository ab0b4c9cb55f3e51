"""A stand-in for the few addresses of a Kubernetes API that Snakemake's executor asks.

It is no cluster: it writes down what is asked of it, and runs a job's command on this machine, in
an empty folder and with nothing of this environment but PATH, as a pod would.
"""

import base64
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

VERBS = {"POST": "create", "DELETE": "delete", "GET": "get"}


def access(method: str, path: str) -> tuple[str, str, str, str]:
    """namespace, API group, resource and verb of a request, in a Role's words."""
    parts = urlsplit(path).path.strip("/").split("/")
    group = parts[1] if parts[0] == "apis" else ""
    _, namespace, resource, *name = parts[parts.index("namespaces") :]
    resource = "/".join([resource, *name[1:]])
    return namespace, group, resource, "list" if method == "GET" and not name else VERBS[method]


@contextmanager
def answering(folder: Path, refusing: int = 0) -> Iterator[SimpleNamespace]:
    """A server whose `kubeconfig` lies in `folder`; asked, jobs and secrets are what came to it.

    refusing: the status with which it answers everything.
    """
    seen = SimpleNamespace(
        asked=[], jobs={}, secrets={}, exits={}, kubeconfig=folder / "kubeconfig"
    )

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            method, url = self.command, urlsplit(self.path)
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
            asked = access(method, self.path)
            seen.asked.append(asked)
            name = url.path.split("/")[-1 if asked[2].count("/") == 0 else -2]
            code, said = 200, {}
            if asked[2:] == ("secrets", "create"):
                seen.secrets[body["metadata"]["name"]] = said = body
            elif asked[2:] == ("jobs", "create"):
                seen.jobs[body["metadata"]["name"]] = said = body
                threading.Thread(target=_run, args=(body, folder, seen), daemon=True).start()
            elif asked[2] == "jobs/status":
                ended = seen.exits.get(name)
                status = {} if ended is None else {"failed" if ended else "succeeded": 1}
                said = {"metadata": {"name": name}, "status": status}
            elif asked[2:] == ("pods", "list"):
                job = parse_qs(url.query)["labelSelector"][0].partition("=")[2]
                said = {"items": [_pod(job, seen.exits.get(job))]}
            elif asked[2] == "pods/log" and parse_qs(url.query).get("previous") == ["True"]:
                code, said = 400, {"message": "previous terminated container not found"}
            self.send_response(refusing or code)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        seen.kubeconfig.write_text(json.dumps(_kubeconfig(server.server_port)))
        yield seen
        server.shutdown()


def _run(job: dict, folder: Path, seen: SimpleNamespace) -> None:
    """Run a job's one container, and note how it ended."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    empty = folder / "pods" / job["metadata"]["name"]
    empty.mkdir(parents=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(empty)}
    for variable in container["env"]:
        reference = variable["valueFrom"]["secretKeyRef"]
        value = seen.secrets[reference["name"]]["data"][reference["key"]]
        environment[variable["name"]] = base64.b64decode(value).decode()
    command = [*container["command"], *container["args"]]
    with (empty / "log").open("w") as log:
        ended = subprocess.run(
            command, cwd=empty, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    seen.exits[job["metadata"]["name"]] = ended.returncode


def _pod(job: str, ended: int | None) -> dict:
    state = {"running": {}} if ended is None else {"terminated": {"exitCode": ended}}
    container = {
        **{"name": "snakemake", "image": "", "imageID": "", "ready": False, "restartCount": 0},
        "state": state,
    }
    return {"metadata": {"name": f"{job}-x"}, "status": {"containerStatuses": [container]}}


def _kubeconfig(port: int) -> dict:
    cluster = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "here", "context": {"cluster": "here", "user": "here"}}
    users = [{"name": "here", "user": {}}]
    return {
        **{"apiVersion": "v1", "kind": "Config", "current-context": "here"},
        **{"clusters": [cluster], "contexts": [context], "users": users},
    }
