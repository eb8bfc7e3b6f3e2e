# SPDX-License-Identifier: Apache-2.0
"""What is measured: one function a scenario, called once a run. It gives samples to the bench; report.py has the goals.
Ours and the limit's take turns in going first, so that a machine that slows down harms both."""

import contextlib
import json
import shutil
import sqlite3
import time
import urllib.request

from harness import PROJECT, CentrifugePeer, Limit, Nginx, Orderwire, Repeated, folder, limit_commit, limit_curl, limit_record

SHARE_OF_HIGHEST = 0.7
FILL_USERS = 100_000
FILL_PROJECT = PROJECT + 1
FIRST, FIRST_NEW = 1_000_000, 1_500_000_000


def cpu_us(figures):
    return figures["server_ns"] / figures["units"] / 1e3


def rate(figures):
    return figures["units"] / figures["wall_ns"] * 1e9


def in_turn(bench, sides):
    """Runs the sides, the first one first in even runs; their results by name."""
    order = list(sides) if bench.run % 2 == 0 else list(reversed(sides))
    return {name: sides[name]() for name in order}


def paced(bench, scenario, figures, batch=1):
    """Options for 70 % of the highest rate, in the scenario's own units, requests."""
    return {"rate": max(1, int(rate(figures) * SHARE_OF_HIGHEST / batch))}


def sampled(bench, scenario, name, figures):
    bench.add(scenario, name, cpu_us(figures), figures)


def on_ours(bench, load, options, settings=()):
    """As fast as it goes, then, on another fresh store, at 70 % of that."""
    with Orderwire(settings=settings) as server:
        highest = server.make_project().load(load, **bench.times, **options)
    with Orderwire(settings=settings) as server:
        pace = paced(bench, load, highest, options.get("batch", 1) if load in ("deliver", "ingest") else 1)
        steady = server.make_project().load(load, **bench.times, **options, **pace)
    return {**highest, "steady": steady}


def peer(bench, load, options, nchan=True):
    if bench.peer:
        with CentrifugePeer(**bench.peer) as server:
            return server.load(load, **bench.times, **options)
    if nchan and Nginx.is_installed("ngx_nchan_module.so"):
        with Nginx.nchan() as server:
            return server.load(load, **bench.times, **options)
    return None


def on_limit(bench, load, options, **settings):
    with Limit(users=options.get("users", 1000), **settings) as server:
        return server.load(load, **bench.times, **options)


def deliver(bench):
    options = {"users": bench.users, "batch": bench.batch, "posters": 4}
    found = in_turn(bench, {
        "ours": lambda: on_ours(bench, "deliver", options),
        "write": lambda: on_limit(bench, "deliver", options),
        "peer": lambda: peer(bench, "deliver", options),
    })
    ours, write = found["ours"], found["write"]
    commit = limit_commit(ours["updates"], ours, bench.users)
    sampled(bench, "deliver", "ours", ours)
    bench.add("deliver", "limit", cpu_us(write) + cpu_us(commit), write)
    if found["peer"]:
        sampled(bench, "deliver", "peer", found["peer"])
    bench.add("deliver_p99", "ours", ours["steady"]["p99_ns"] / 1e6, ours["steady"])


def idle(bench):
    ping_s = bench.ping_s
    settings = [f"realtime.ping_interval={ping_s}s", f"realtime.pong_timeout={ping_s * 500}ms"]
    options = {"users": bench.idle_users, "batch": 1, "warm_up": ping_s * 1200, "duration": ping_s * 2000}

    def ours():
        with Orderwire(settings=settings) as server:
            return server.make_project().load("idle", **options)

    def limit():
        with Limit(users=bench.idle_users, ping=ping_s * 1000) as server:
            return server.load("idle", **options)

    def nchan():
        if bench.peer or not Nginx.is_installed("ngx_nchan_module.so"):
            return None
        with Nginx.nchan() as server:
            return server.load("idle", **{**options, "warm_up": Nginx.ping_s * 1200, "duration": Nginx.ping_s * 1200})

    for name, figures in in_turn(bench, {"ours": ours, "limit": limit, "peer": nchan}).items():
        if figures:
            bench.add("idle_memory", name, figures["memory"], figures)
            sampled(bench, "idle_ping", name, figures)


def connect(bench):
    options = {"users": bench.users}
    found = in_turn(bench, {
        "ours": lambda: on_ours(bench, "connect", options),
        "limit": lambda: on_limit(bench, "connect", options),
        "peer": lambda: peer(bench, "connect", options),
    })
    for name, figures in found.items():
        if figures:
            sampled(bench, "connect", name, figures)


def answers_of(server):
    """The raw bytes of Get order's answers: whole, and unchanged."""
    base = f"{server.url}/api/v2/project/{PROJECT}/order/1000000"
    token = server.admin("POST", f"/projects/{PROJECT}/tokens", {"user_external_id": "user-0"})["token"]
    found = []
    for extra in ({}, {"If-None-Match": '"1"'}):
        request = urllib.request.Request(base, headers={"Authorization": "Bearer " + token, **extra})
        try:
            with urllib.request.urlopen(request) as answer:
                status, headers, body = "200 OK", answer.headers, answer.read()
        except urllib.error.HTTPError as answer:
            status, headers, body = "304 Not Modified", answer.headers, b""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() != "connection")
        found.append(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body)
    return found


def poll(bench):
    options = {"users": bench.users}
    with Orderwire() as server:
        # Makes the orders too.
        server.make_project().load("poll", **options, warm_up=0, duration=50)
        whole, unchanged = answers_of(server)
        place = folder()
        (place / "answer").write_bytes(whole)
        (place / "unchanged").write_bytes(unchanged)
        with Limit(answer=place / "answer", unchanged=place / "unchanged") as limit:
            nginx = Nginx.returning(whole) if Nginx.is_installed() else None
            try:
                for row, etag in (("poll", None), ("poll_304", '"1"')):
                    poll_all(bench, row, {**options, "etag": etag}, server, limit, nginx)
            finally:
                if nginx:
                    nginx.__exit__()
        shutil.rmtree(place)


def poll_all(bench, row, options, server, limit, nginx):
    again = {**bench.times, **options, "prepared": 1}
    found = in_turn(bench, {
        "ours": lambda: server.load("poll", **again),
        "limit": lambda: limit.load("poll", **again),
        "peer": lambda: nginx.load("poll", **again) if nginx else None,
    })
    found["ours"]["steady"] = server.load("poll", **again, **paced(bench, "poll", found["ours"]))
    for name, figures in found.items():
        if figures:
            sampled(bench, row, name, figures)


def ingest_rows(bench, row, options):
    def ours():
        return on_ours(bench, "ingest", options)

    def limit(figures):
        return limit_commit(figures["updates"], figures, bench.users)

    last = bench.kept.get(row)
    if last and bench.run % 2:
        found = {"limit": limit(last), "ours": ours()}
    else:
        found = {"ours": ours()}
        found["limit"] = limit(found["ours"])
    bench.kept[row] = found["ours"]
    for name, figures in found.items():
        sampled(bench, row, name, figures)
        bench.add(row + "_rate", name, rate(figures), figures)


def ingest(bench):
    ingest_rows(bench, "ingest_batch", {"users": bench.users, "batch": bench.batch, "posters": 4})
    ingest_rows(bench, "ingest_single", {"users": bench.users, "batch": 1, "posters": 64})


def webhook(bench):
    count, connections = bench.webhooks, 64

    def ours():
        with Orderwire() as server:
            return server.make_project().load("webhook", users=bench.users, batch=bench.batch, count=count, connections=connections)

    found = in_turn(bench, {"ours": ours, "limit": lambda: limit_curl(count, connections, count // 10)})
    for name, figures in found.items():
        sampled(bench, "webhook", name, figures)
        bench.add("webhook_rate", name, rate(figures), figures)
    record = limit_record(count, found["ours"]["commits"])
    bench.add("webhook_record", "ours", cpu_us(found["ours"]), {})
    bench.add("webhook_record", "limit", cpu_us(found["limit"]) + cpu_us(record), {})

    def fan_out(hanging):
        with Orderwire() as server:
            options = {"users": bench.users, "batch": 1, "posters": 16, "rate": 10, "endpoints": 100, "connections": 10}
            return server.make_project().load("webhook", **bench.times, **options, hanging=hanging)

    found = in_turn(bench, {"calm": lambda: fan_out(0), "hanging": lambda: fan_out(1)})
    bench.add("webhook_hanging", "ours", found["hanging"]["p99_ns"] / 1e6, found["hanging"])
    bench.add("webhook_hanging", "calm", found["calm"]["p99_ns"] / 1e6, found["calm"])


def scalar(number):
    """SQL for numbers from 1 to `number`."""
    return f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {number})"


def fill_store(data, orders, waiting):
    """Orders of 100,000 users with all their events, and deliveries that wait, by SQL in one transaction: what
    stands there is as if each order had been posted new, paid and done, but the middle 100,000 are new."""
    db = sqlite3.connect(data / "orderwire.db", isolation_level=None)
    content = json.dumps({"price": {"amount": "4.99", "amount_without_discount": "4.99", "currency": "USD"}, "virtual_price": None,
                          "is_free": False, "items": [{"sku": "com.example.sword_of_dawn", "quantity": 1, "is_free": False,
                                                       "price": {"amount": "4.99", "amount_without_discount": "4.99", "currency": "USD"}}]},
                         separators=(",", ":"))
    # What ended in the last ten minutes is told to each fresh connection.
    now = int(time.time() * 1000) - 3_600_000
    first = orders // 2
    per_user, new = orders // FILL_USERS, first // FILL_USERS  # a user's orders, and which of them is new
    is_new = f"(i > {first} AND i <= {first + FILL_USERS})"
    indexes = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN"
                         " ('orders', 'deliveries')").fetchall()
    script = [f"DROP INDEX {name}" for name, _ in indexes]
    script += [
        f"{scalar(FILL_USERS)} INSERT INTO users (user_id, project_id, external_id, top)"
        f" SELECT 1000 + i, {PROJECT}, 'user-' || (i - 1), 0 FROM n",
        f"{scalar(orders)} INSERT INTO contents (content_id, content, custom_parameters) SELECT 1000 + i, '{content}', '' FROM n",
        f"{scalar(orders)} INSERT INTO orders (project_id, order_id, user_id, status, seq, is_open, is_free, content_id, cancel_reason,"
        f" created_at, updated_at) SELECT {PROJECT}, i, 1001 + (i - 1) % {FILL_USERS}, iif({is_new}, 0, 2), iif({is_new}, 1, 3),"
        f" {is_new}, 0, 1000 + i, '', {now}, {now} FROM n",
        f"{scalar(orders * 3)} INSERT INTO events (project_id, order_id, seq, status, previous, synthetic, offset, occurred_at)"
        f" SELECT {PROJECT}, 1 + i / 3, 1 + i % 3, i % 3, max(0, i % 3 - 1), 0, 1 + place, {now} FROM"
        f" (SELECT i, m, m * 3 + i % 3 - iif(m > {new}, 2, 0) AS place FROM (SELECT i - 1 AS i, (i - 1) / {3 * FILL_USERS} AS m FROM n))"
        f" WHERE m <> {new} OR i % 3 = 0",
        # The streams of one user after another, as their key is.
        f"{scalar(orders * 3)} INSERT INTO stream (user_id, offset, order_id, status, occurred_at)"
        f" SELECT 1001 + i / {3 * per_user}, 1 + place, 1 + i / {3 * per_user} + m * {FILL_USERS}, i % 3, {now} FROM"
        f" (SELECT i, m, m * 3 + i % 3 - iif(m > {new}, 2, 0) AS place FROM (SELECT i - 1 AS i, (i - 1) % {3 * per_user} / 3 AS m FROM n))"
        f" WHERE m <> {new} OR i % 3 = 0",
        f"UPDATE users SET top = {3 * per_user - 2} WHERE user_id > 1000",
        f"{scalar(waiting)} INSERT INTO deliveries (endpoint_id, project_id, order_id, seq, state, attempts, step, next_at, created_at,"
        f" finished_at, content_id, is_free, cancel_reason, type, body) SELECT 1, {FILL_PROJECT}, i, 1, 0, 1, 1, {now} + 31536000000,"
        f" {now}, 0, 1000 + i, 0, '', '', x'' FROM n",
        f"INSERT OR REPLACE INTO backlogs VALUES (1, {waiting})",
    ]
    script += [sql for _, sql in indexes]
    db.execute("PRAGMA cache_size = -500000")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    for statement in script:
        db.execute(statement)
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


class Filled:
    """A store that is large: made once, used by all runs."""

    def __init__(self, orders):
        self.orders = orders
        self.data = folder()
        with Orderwire(data=self.data) as server:
            self.project = server.make_project().project
            server.admin("POST", "/projects", {"project_id": FILL_PROJECT})
            key = (self.data / "admin.key").read_text().strip()
            request = urllib.request.Request(f"{server.url}/server/v1/project/{FILL_PROJECT}/webhooks",
                                             b'{"url":"https://example.com/hook"}', {"Authorization": "Bearer " + key})
            urllib.request.urlopen(request).close()
        start = time.monotonic()
        fill_store(self.data, orders, orders // 10)
        self.seconds = time.monotonic() - start

    def start(self):
        """A server on it, and how long it took to be ready."""
        began = time.monotonic()
        server = Orderwire(data=self.data)
        urllib.request.urlopen(server.url + "/ready").close()
        took = time.monotonic() - began
        server.project = self.project
        return server, took

    def remove(self):
        shutil.rmtree(self.data, ignore_errors=True)


def growth(bench):
    if "filled" not in bench.kept:
        bench.kept["filled"] = Filled(bench.fill)
        bench.note(f"growth: {bench.fill:,} orders and {bench.fill // 10:,} waiting deliveries were stored in "
                   f"{bench.kept['filled'].seconds:.0f} s")
    filled = bench.kept["filled"]
    step = FILL_USERS // bench.users
    posts = {"users": bench.users, "batch": bench.batch, "posters": 4}
    polls = {"users": bench.users, "prepared": 1}

    def read(server, first):
        """Each of other users than those who are written to: what a connection is told grows with that."""
        found = {"poll": server.load("poll", **bench.times, **polls, user_step=step, first_order=first)}
        for number, name in enumerate(("list", "connect", "history")):
            found[name] = server.load(name, **bench.short_times, **polls, user_step=step, first_user=number, first_order=first + number)
        return found

    def small():
        with Orderwire() as server:
            server.make_project()
            # The same users are there before, with one order each; and those of `history` with ten, all done.
            for number, name in enumerate(("poll", "connect")):
                server.load(name, users=bench.users, user_step=step, first_user=number, first_order=FIRST + number, warm_up=0, duration=50)
            server.load("ingest", **posts, user_step=step, first_user=2, first_order=FIRST + 2, warm_up=0,
                        count=3 * 10 * bench.users // bench.batch)
            return {**read(server, FIRST),
                    "ingest": server.load("ingest", **bench.times, **posts, user_step=step, first_order=FIRST_NEW)}

    def large():
        server, took = filled.start()
        with server:
            bench.add("growth_start", "ours", took, {})
            first = FIRST_NEW + bench.run * 50_000_000
            return {**read(server, filled.orders // 2 + 1),
                    "ingest": server.load("ingest", **bench.times, **posts, user_step=step, first_order=first)}

    found = in_turn(bench, {"small": small, "ours": large})
    for name, figures in found.items():
        for row in ("ingest", "poll", "list", "connect", "history"):
            sampled(bench, f"growth_{row}", name, figures[row])
    # What the pages of a large store cost whoever writes to them.
    figures = found["small"]["ingest"]
    where = {"small": {}, "ours": {"data": filled.data, "first_order": FIRST_NEW + 300_000_000 + bench.run * 50_000_000}}
    for name, options in where.items():
        bench.add("growth_sqlite", name, cpu_us(limit_commit(figures["updates"], figures, bench.users, user_step=step, **options)), {})

    def beside(settings, backup):
        """Steady updates on a copy of the large store, with or without what an operator does meanwhile."""
        data = folder()
        shutil.copytree(filled.data, data, dirs_exist_ok=True)
        try:
            with Orderwire(data=data, settings=settings) as server:
                server.project = filled.project
                with Repeated(["backup", data / "copy", "--data", data], data / "copy") if backup else contextlib.nullcontext():
                    return server.load("ingest", **{**posts, "batch": 10}, rate=200, user_step=step, first_user=3, first_order=FIRST_NEW + 3,
                                       warm_up=500, duration=3000)
        finally:
            shutil.rmtree(data, ignore_errors=True)

    # Two of three events of 100,000 users are too many.
    sides = {"calm": lambda: beside((), False), "ours": lambda: beside(("history.max_events=10", "prune.interval=10ms"), True)}
    for name, figures in in_turn(bench, sides).items():
        bench.add("growth_beside", name, figures["p99_ns"] / 1e6, {})
        bench.add("growth_longest", name, figures["max_ns"] / 1e6, {})


ALL = {function.__name__: function for function in (deliver, idle, connect, poll, ingest, webhook, growth)}
