# SPDX-License-Identifier: Apache-2.0
"""Starts and ends what is measured, each in a folder of its own, and runs the load generator against it."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("ORDERWIRE_BUILD", ROOT / "build"))
BINARY = pathlib.Path(os.environ.get("ORDERWIRE_BINARY", BUILD / "orderwire"))
PROGRAMS = BUILD / "bench"
PROJECT = 77640
PATIENCE_S = 120
# The quotas count as always, but nothing meets them: the load has fewer users than there would be.
QUOTAS = ("limits.requests_per_user=0", "limits.commands_per_second=0", "limits.connections_per_address=0",
          "limits.handshakes_per_address=0", "limits.handshakes_per_second=0", "limits.requests_per_address=0")


class BenchError(Exception):
    pass


def folder():
    """A new folder on the disk of the build: in a memory file system a commit would cost nothing."""
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    return pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=PROGRAMS))


def load(scenario, **options):
    """Runs the load generator; what it measured. None as a value leaves an option out."""
    words = [str(PROGRAMS / "bench_load"), scenario]
    for name, value in options.items():
        if value is not None:
            words += ["--" + name.replace("_", "-"), str(value)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(words[1:])}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


class Process:
    """A program that runs until the `with` is over; what it prints is in `log`. {home} in its words is a folder of its own."""

    def __init__(self, words, **settings):
        self.home = folder()
        self.log = self.home / "log"
        words = [str(word).replace("{home}", str(self.home)) for word in words]
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, **settings)
        self.pid = self.child.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def said(self, pattern):
        """The first group of `pattern` in what the program prints, as soon as it is there."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            found = re.search(pattern, self.log.read_text(errors="replace"))
            if found:
                return found.group(1)
            if self.child.poll() is not None:
                break
            time.sleep(0.005)
        raise BenchError(f"{self.child.args[0]} did not say {pattern}:\n{self.log.read_text(errors='replace')}")


class Orderwire(Process):
    """Our server with one project. `data` keeps an existing directory; else it has one of its own."""

    kind = "orderwire"

    def __init__(self, data=None, settings=(), wrapper=()):
        self.data = data or folder()
        self.keeps = data is not None
        words = [*wrapper, BINARY, "serve", "--data", self.data, "--listen", "127.0.0.1:0"]
        for setting in (*QUOTAS, *settings):
            words += ["--set", setting]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ORDERWIRE_")}
        super().__init__(words, env=environment)
        self.port = int(self.said(r"listening on http://127\.0\.0\.1:(\d+)"))
        self.url = f"http://127.0.0.1:{self.port}"
        self.project = None

    def __exit__(self, *_):
        super().__exit__()
        if not self.keeps:
            shutil.rmtree(self.data, ignore_errors=True)

    def admin(self, method, path, body):
        key = (self.data / "admin.key").read_text().strip()
        request = urllib.request.Request(self.url + "/admin/v1" + path, json.dumps(body).encode(), method=method)
        request.add_header("Authorization", "Bearer " + key)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def make_project(self):
        self.project = self.admin("POST", "/projects", {"project_id": PROJECT, "webhook_allow_cidrs": ["127.0.0.1/32"]})
        return self

    def metrics(self):
        with urllib.request.urlopen(self.url + "/metrics", timeout=PATIENCE_S) as answer:
            rows = (line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))
            return {name: float(value) for name, value in rows}

    def load(self, scenario, **options):
        """The load's figures, and how many updates a transaction had, and all updates so far."""
        before = self.metrics()
        figures = load(scenario, port=self.port, pids=self.pid, kind=self.kind, project=PROJECT,
                       key=self.project["api_key"], secret=self.project["user_token_secret"], **options)
        after = self.metrics()
        updates, commits = (after[name] - before[name] for name in
                            ('orderwire_updates_total{result="applied"}', "orderwire_commits_total"))
        return {**figures, "updates": int(updates), "commits": int(commits),
                "group": max(1, round(updates / commits)) if commits else 1}


class Repeated:
    """A command of ours, run again and again on a thread of its own; its output file is removed after each run."""

    def __init__(self, words, output):
        self.words, self.output = [str(word) for word in (BINARY, *words)], output
        self.over = threading.Event()
        self.failed = None
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        if self.failed:
            raise BenchError(self.failed)

    def run(self):
        while not self.over.is_set() and not self.failed:
            done = subprocess.run(self.words, capture_output=True, text=True, timeout=PATIENCE_S)
            if done.returncode != 0:
                self.failed = done.stderr.strip()
            self.output.unlink(missing_ok=True)


class Limit(Process):
    """The limit program for sockets."""

    kind = "limit"

    def __init__(self, **options):
        words = [PROGRAMS / "limit_server"]
        for name, value in options.items():
            words += ["--" + name.replace("_", "-"), value]
        super().__init__(words)
        self.port = int(self.said(r"port (\d+)"))

    def load(self, scenario, **options):
        return load(scenario, port=self.port, pids=self.pid, kind=self.kind, **options)


def run_limit(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=PATIENCE_S)
    if done.returncode != 0:
        raise BenchError(done.stderr.strip())
    return json.loads(done.stdout)


@contextlib.contextmanager
def empty_store():
    data = folder()
    try:
        with Orderwire(data=data):
            pass
        yield data
    finally:
        shutil.rmtree(data, ignore_errors=True)


def limit_commit(updates, figures, users, first_order=1000000, data=None, user_step=1):
    """Bare SQLite writes as many rows in groups as large as the server's were."""
    with contextlib.nullcontext(data) if data else empty_store() as store:
        return run_limit(PROGRAMS / "limit_commit", "--data", store, "--users", users, "--user-step", user_step,
                         "--first-order", first_order, "--group", figures["group"], "--count", figures["units"],
                         "--warm-up", updates - figures["units"])


def limit_record(deliveries, commits):
    """Bare SQLite reads and records as many deliveries, in groups as large as the server's were."""
    with empty_store() as store:
        return run_limit(PROGRAMS / "limit_commit", "--data", store, "--group", max(1, round(deliveries / commits)),
                         "--deliveries", deliveries)


def limit_curl(count, connections, warm_up):
    """Bare libcurl sends as many requests to the load generator's receiver."""
    with Process([PROGRAMS / "bench_load", "receive", "--count", count + warm_up]) as receiver:
        port = receiver.said(r"port (\d+)")
        return run_limit(PROGRAMS / "limit_curl", "--port", port, "--count", count, "--connections", connections, "--warm-up", warm_up)


def find_module(name):
    for place in ("/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/local/lib/nginx/modules"):
        if os.path.exists(f"{place}/{name}"):
            return f"{place}/{name}"
    return None


class Nginx(Process):
    """nginx with a worker a core and no log, in a folder of its own: answers from memory, and nchan where it is installed."""

    kind = "nchan"
    ping_s = 5

    def __init__(self, locations, modules=()):
        self.place = folder()
        port = self.free_port()
        loads = "".join(f"load_module {module};\n" for module in modules)
        (self.place / "nginx.conf").write_text(f"""{loads}daemon off; master_process on; worker_processes {os.cpu_count()};
pid {self.place}/pid; error_log stderr error; worker_rlimit_nofile 20000;
events {{ worker_connections 15000; }}
http {{
  access_log off; keepalive_requests 100000000; server_tokens off;
  client_body_temp_path {self.place}/body; proxy_temp_path {self.place}/proxy; fastcgi_temp_path {self.place}/fastcgi;
  uwsgi_temp_path {self.place}/uwsgi; scgi_temp_path {self.place}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=4096; {locations} }}
}}
""")
        super().__init__(["nginx", "-p", self.place, "-c", self.place / "nginx.conf"])
        self.port = port
        self.wait_for_port()
        self.workers = self.find_workers()

    @staticmethod
    def free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def wait_for_port(self):
        end = time.monotonic() + 10
        while time.monotonic() < end and self.child.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise BenchError("nginx did not start: " + self.log.read_text(errors="replace"))

    def find_workers(self):
        """One a core. The master listens a moment before it has them."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            if len(children) == os.cpu_count():
                return [int(child) for child in children]
            time.sleep(0.01)
        raise BenchError("nginx has no workers: " + self.log.read_text(errors="replace"))

    def __exit__(self, *_):
        super().__exit__()
        shutil.rmtree(self.place, ignore_errors=True)

    def load(self, scenario, **options):
        return load(scenario, port=self.port, pids=",".join(map(str, self.workers)), kind=self.kind, **options)

    @classmethod
    def returning(cls, answer):
        """Returns the body and the headers of `answer`, the raw bytes of ours."""
        head, body = answer.decode().split("\r\n\r\n", 1)
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        skip = {"Date", "Content-Length", "Content-Type", "Connection", "Keep-Alive"}
        lines = " ".join(f"add_header {name} '{value}';" for name, value in headers.items() if name not in skip)
        return cls(f"default_type {headers['Content-Type']}; {lines} "
                   f"location / {{ if ($http_if_none_match) {{ return 304; }} return 200 '{body}'; }}")

    @classmethod
    def nchan(cls):
        return cls("location ~ ^/pub/(\\d+)$ { nchan_publisher; nchan_channel_id $1; } "
                   "location ~ ^/sub/(\\d+)$ { nchan_subscriber websocket; nchan_channel_id $1; "
                   f"nchan_websocket_ping_interval {cls.ping_s}; }}", [find_module("ngx_nchan_module.so")])

    @staticmethod
    def is_installed(module=None):
        return shutil.which("nginx") is not None and (module is None or find_module(module) is not None)


class CentrifugePeer:
    """A Centrifuge server that runs already, given by its URL."""

    kind = "centrifuge"

    def __init__(self, url, publish, key, pid):
        host, port, self.path = re.fullmatch(r"ws://([\d.]+):(\d+)(/.*)", url).groups()
        self.options = {"host": host, "port": port, "path": self.path, "publish": publish, "key": key, "pids": pid or None, "kind": self.kind}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def load(self, scenario, **options):
        return load(scenario, **self.options, **options)
