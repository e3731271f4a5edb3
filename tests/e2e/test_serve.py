"""The daemon as a process: what it does by its schedule, what it shows while everything is wrong,
and how it ends.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import POLICIES, PROGRAM, LoggedSandbox, Processes

SERVING = 'schedule: {cron: "17 * * * *", jitter: 0s}\nweb: {listen: "127.0.0.1:0"}\n'
TOKEN = "a-token-of-some-length"
_THEIRS = {"__name__", "job", "instance"}
Start = Callable[..., LoggedSandbox]
Find = Callable[[str], Path]


class Served:
    """A running `serve`."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process, self._log = process, log
        self.url = str(self.logged("daemon.started")["url"])

    def events(self) -> list[dict[str, Any]]:
        """Every line of its log so far."""
        whole, _, _ = self._log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def logged(self, event: str) -> dict[str, Any]:
        """The first line of that event, waited for."""

        def found() -> dict[str, Any]:
            assert self.process.poll() is None, f"it has ended: {self._log.read_text()[-2000:]}"
            return next((line for line in self.events() if line["event"] == event), {})

        line: dict[str, Any] = wait_for(found, f"{event} in the log")
        return line

    def get(self, path: str = "/", **headers: str) -> tuple[int, str]:
        """(status, body) of a page."""
        try:
            with urllib.request.urlopen(
                urllib.request.Request(f"{self.url}{path}", headers=headers), timeout=30
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as wrong:
            with wrong:
                return wrong.code, wrong.read().decode()

    def metric(self, series: str) -> float:
        """A series' value; NaN where there is none."""
        found = re.search(
            rf"^sauce_janitor_{re.escape(series)} (\S+)$", self.get("/metrics")[1], re.MULTILINE
        )
        return float(found[1]) if found else float("nan")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait for its end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


def wait_for(true: Callable[[], Any], what: str) -> Any:
    """Wait for something that another process does, as long as it takes and a minute and a half at
    most.
    """
    end = time.monotonic() + 90
    while not (found := true()):
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)
    return found


@contextmanager
def served(
    desk: Processes, *options: str, overdue: bool = True, program: tuple[str, ...] = PROGRAM
) -> Iterator[Served]:
    """`serve OPTIONS`; with `overdue` a run was due while it was down."""
    if overdue:
        with desk.storage.state.open() as state:
            state.notes.write("run:box", "0")
    log = desk.folder / f"serve-{time.monotonic_ns()}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*program, "--log-format", "json", "serve", *options],
            cwd=desk.folder,
            env=desk.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            text=True,
        )
    try:
        yield Served(process, log)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def desk(desk: Processes) -> Processes:
    desk.configure(POLICIES + SERVING)
    return desk


@pytest.mark.on_change("cluster")
def test_it_carries_out_what_was_due_shows_it_and_ends_with_0(desk: Processes) -> None:
    with served(desk, "--execute") as daemon:
        daemon.logged("run.finished")
        writes = desk.sandbox.writes()
        assert len(writes) > 50
        done = 'runs_total{account="box",mode="execute",result="done"}'
        wait_for(lambda: daemon.metric(done) == 1, "the run in the metrics")
        assert daemon.get("/healthz") == (200, "ok\n")
        # The look that publishes the metrics says only at its end that the state is open.
        wait_for(lambda: daemon.get("/readyz")[0] == 200, "the daemon ready")
        assert json.loads(daemon.get("/readyz")[1]) == {"ready": True, "reasons": []}
        page = wait_for(
            lambda: re.search(r">execute</td><td[^>]*><span[^>]*>done</span>", daemon.get()[1]),
            "the run on the page",
        )
        assert page
        assert "DRY RUN" not in daemon.get()[1]
        said = json.loads(desk.run("status", "--format", "json").stdout)[0]["daemon"]
        assert (said["running"], said["mode"]) == (True, "execute")
        assert daemon.end() == 0
    assert desk.sandbox.writes() == writes
    desk.run("prove")


@pytest.mark.on_change("server")
def test_once_it_works_it_imports_nothing_more(desk: Processes) -> None:
    """An upgrade in place replaces the files of a daemon that goes on: a module that it imported
    then would be of another version than the others.
    """
    code = """
import atexit, sys
from pathlib import Path
from sauce_janitor.daemon.rounds import Rounds
from sauce_janitor.__main__ import main
first, before = Rounds.go, set()
def go(self):
    Rounds.go = first
    before.update(sys.modules)
    return first(self)
Rounds.go = go
def note():
    late = {name for name in sys.modules if name not in before}
    installed = {name for name in late if name.partition(".")[0] not in sys.stdlib_module_names}
    Path("late").write_text(" ".join(sorted(installed)))
atexit.register(note)
main(sys.argv[1:])
"""
    with served(desk, "--execute", program=(sys.executable, "-c", code)) as daemon:
        daemon.logged("run.finished")
        assert daemon.end() == 0
    assert (desk.folder / "late").read_text() == ""


def test_without_execute_it_says_loudly_that_it_changes_nothing(desk: Processes) -> None:
    with served(desk) as daemon:
        daemon.logged("run.finished")
        assert daemon.logged("daemon.dry_run")["level"] == "warning"
        wait_for(lambda: "DRY RUN" in daemon.get()[1], "the banner")
        assert daemon.end(signal.SIGINT) == 0
    assert desk.sandbox.writes() == []


def test_sigterm_in_the_midst_finishes_what_is_in_hand_and_the_rest_runs_at_the_next_start(
    desk: Processes, start_sandbox: Start, tmp_path: Path
) -> None:
    faults = tmp_path / "faults.yaml"
    faults.write_text("[{fault: delay, seconds: 0.05, endpoint: 'assets.*'}]")
    desk.sandbox = start_sandbox(300, faults=faults)
    desk.configure(POLICIES + SERVING)
    with served(desk, "--execute") as daemon:
        daemon.logged("job.archived")
        began = time.monotonic()
        assert daemon.end() == 0
        assert time.monotonic() - began < 20
        assert not [
            line
            for line in daemon.events()
            if line["event"] == "run.finished" and line["result"] == "done"
        ]
    assert desk.storage.half_done() == []
    desk.run("prove")
    with served(desk, "--execute", overdue=False) as daemon:
        assert daemon.logged("run.finished")["result"] == "done"
        assert daemon.end() == 0
    assert json.loads(desk.run("status", "--format", "json").stdout)[0]["open_intents"] == []
    desk.run("prove")


def test_it_goes_on_after_it_was_stopped(desk: Processes) -> None:
    with served(desk, overdue=False) as daemon:
        for _ in range(3):
            daemon.process.send_signal(signal.SIGSTOP)
            time.sleep(1)
            daemon.process.send_signal(signal.SIGCONT)
            # So long it waits for a signal at a time.
            time.sleep(0.6)
        assert daemon.process.poll() is None
        assert daemon.get("/healthz")[0] == 200
        assert not any(line["event"] == "daemon.stopping" for line in daemon.events())
        assert daemon.end() == 0


def test_a_vendor_that_stalls_holds_up_neither_the_pages_nor_the_end(
    desk: Processes, start_sandbox: Start, tmp_path: Path
) -> None:
    faults = tmp_path / "faults.yaml"
    faults.write_text("[{fault: stall, seconds: 600, endpoint: 'jobs.list'}]")
    desk.sandbox = start_sandbox(20, faults=faults)
    desk.configure(POLICIES + SERVING)
    with served(desk, "--execute") as daemon:
        daemon.logged("run.begins")
        wait_for(lambda: "listing jobs" in daemon.get()[1], "the run on the page")
        assert daemon.get("/healthz")[0] == daemon.get("/metrics")[0] == 200
        began = time.monotonic()
        assert daemon.end() == 0
        assert time.monotonic() - began < 20


def test_a_second_signal_ends_it_at_once(
    desk: Processes, start_sandbox: Start, tmp_path: Path
) -> None:
    faults = tmp_path / "faults.yaml"
    faults.write_text("[{fault: stall, seconds: 600, endpoint: 'jobs.list'}]")
    desk.sandbox = start_sandbox(20, faults=faults)
    desk.configure(POLICIES + SERVING)
    with served(desk, "--execute") as daemon:
        daemon.logged("run.begins")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.logged("daemon.stopping")
        assert daemon.end(signal.SIGINT) in {0, 130}


def test_hundreds_of_slow_clients_and_a_locked_state_keep_no_page_from_answering(
    desk: Processes,
) -> None:
    with served(desk, overdue=False) as daemon, ExitStack() as stack, ExitStack() as unlock:
        daemon.logged("state.opened")
        unlock.enter_context(desk.storage.state.locked())
        address = ("127.0.0.1", int(daemon.url.rpartition(":")[2]))
        for _ in range(400):
            slow = stack.enter_context(socket.create_connection(address, timeout=30))
            slow.sendall(b"GET / HTTP/1.1\r\nX: ")
        for _ in range(10):
            for path in ("/healthz", "/metrics", "/"):
                assert daemon.get(path)[0] == 200
        unlock.close()
        assert daemon.end() == 0


def test_a_configuration_that_becomes_invalid_is_told_and_a_good_one_taken_up(
    desk: Processes,
) -> None:
    with served(desk, overdue=False) as daemon:
        desk.configure(POLICIES + SERVING + "nonsense: 1\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.logged("config.reload_failed")
        assert daemon.metric("config_reload_success") == 0
        wait_for(
            lambda: "unknown key <code>nonsense</code>" in daemon.get()[1], "the fault on the page"
        )
        assert daemon.get("/readyz")[0] == 503
        desk.configure(POLICIES + SERVING.replace("17 *", "33 *"))
        daemon.logged("config.reloaded")
        wait_for(lambda: daemon.get("/readyz")[0] == 200, "ready again")
        assert re.search(r"Next run <time datetime=\"[^\"]*:33:00Z", daemon.get()[1])


def test_whoever_asks_for_whatever_changes_nothing(desk: Processes) -> None:
    with served(desk, overdue=False) as daemon:
        daemon.logged("state.opened")
        address = ("127.0.0.1", int(daemon.url.rpartition(":")[2]))
        for line in (
            b"POST /",
            b"PUT /jobs",
            b"DELETE /rest/v1/x/jobs/y",
            b"OPTIONS *",
            b"TRACE /",
            b"GET http://evil.example/",
            b"GET //evil.example",
            b"GET /%00",
            b"GET /../../etc/passwd",
            b"GET /static/%2e%2e/pages.py",
        ):
            with socket.create_connection(address, timeout=30) as client:
                client.sendall(
                    line + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection:"
                    b" close\r\n\r\n{}"
                )
                assert int(client.recv(4096).split(b" ")[1]) in {200, 308, 400, 404, 405}
        assert daemon.get("/", Host="evil.example")[0] == 421
        assert desk.sandbox.log() == []
        assert daemon.end() == 0


def test_others_need_the_token_and_it_can_be_changed_while_it_runs(desk: Processes) -> None:
    token = desk.folder / "token"
    token.write_text(TOKEN + "\n")
    desk.configure(
        POLICIES
        + SERVING.replace('127.0.0.1:0"', '0.0.0.0:0", metrics: auth, auth: {token: {file: token}}')
    )
    with served(desk, overdue=False) as daemon:
        assert daemon.get("/healthz") == (200, "ok\n")
        assert [daemon.get(path)[0] for path in ("/", "/metrics", "/static/status.css")] == [
            401,
            401,
            401,
        ]
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert [daemon.get(path, **bearer)[0] for path in ("/", "/metrics")] == [200, 200]
        token.write_text("another-token-as-long")
        wait_for(lambda: daemon.get("/", **bearer)[0] == 401, "the old token closed")
        assert daemon.get("/", Authorization="Bearer another-token-as-long")[0] == 200
        token.unlink()
        daemon.logged("web.token_unreadable")
        assert daemon.get("/", Authorization="Bearer another-token-as-long")[0] == 200
        assert daemon.end() == 0
        assert TOKEN not in json.dumps(daemon.events())


def test_a_session_ends_when_its_user_is_removed_and_a_bad_file_of_users_changes_nothing(
    desk: Processes,
) -> None:
    (desk.folder / "password").write_text("correct horse battery\n")
    desk.configure(
        POLICIES + SERVING.replace('127.0.0.1:0"', '127.0.0.1:0", auth: {users: users.yaml}')
    )
    for name in ("jane", "bob"):
        words = ("user", "add", name, "--role", "viewer", "--password-file", "password")
        desk.run(*words)
    with served(desk, overdue=False) as daemon:

        def signed_in(name: str) -> dict[str, str]:
            fields = {"name": name, "password": "correct horse battery"}
            sent = urllib.parse.urlencode(fields).encode()
            asked = urllib.request.Request(
                f"{daemon.url}/sign-in", sent, {"Origin": daemon.url, "Accept": "text/html"}
            )
            opener = urllib.request.build_opener(_NoRedirect)
            with opener.open(asked, timeout=30) as answer:
                return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}

        assert daemon.get("/")[0] == 401
        jane, bob = signed_in("jane"), signed_in("bob")
        assert [daemon.get("/", **who)[0] for who in (jane, bob)] == [200, 200]
        desk.run("user", "remove", "jane")
        wait_for(lambda: daemon.get("/", **jane)[0] == 401, "the session of a removed user")
        assert daemon.get("/", **bob)[0] == 200
        (desk.folder / "users.yaml").write_text("users: {bob: {role: viewer}}\n")
        assert "users.bob" in str(daemon.logged("web.users_unusable")["why"])
        wait_for(lambda: "users.bob" in daemon.get("/readyz")[1], "the reason in the readiness")
        assert daemon.get("/", **bob)[0] == 200
        assert daemon.end() == 0
        assert "correct horse" not in json.dumps(daemon.events())


def test_what_the_console_changes_is_what_other_processes_see(desk: Processes) -> None:
    """The daemon and commands share one file: what one writes, the other reads, also after the
    console has paused.
    """
    (desk.folder / "password").write_text("correct horse battery\n")
    desk.configure(
        POLICIES + SERVING.replace('127.0.0.1:0"', '127.0.0.1:0", auth: {users: users.yaml}')
    )
    desk.run("user", "add", "jane", "--role", "approver", "--password-file", "password")
    with served(desk, overdue=False) as daemon:
        opener = urllib.request.build_opener(_NoRedirect)
        headers = {"Origin": daemon.url, "Accept": "text/html"}

        def send(path: str, **fields: str) -> Any:
            sent = urllib.parse.urlencode(fields).encode()
            asked = urllib.request.Request(f"{daemon.url}{path}", sent, headers)
            with opener.open(asked, timeout=30) as answer:
                assert answer.status == 303
                return answer.headers

        for round_number in range(2):
            reason = f"release week {round_number}"
            said = send("/sign-in", name="jane", password="correct horse battery")
            cookie = {"Cookie": said["Set-Cookie"].partition(";")[0]}
            headers.update(cookie)
            csrf = re.findall(r'name="csrf" value="([^"]+)"', daemon.get("/changes", **cookie)[1])[
                0
            ]
            send("/changes/pause", csrf=csrf, reason=reason)
            status = desk.run("status").stdout
            assert "by jane (console) since" in status
            assert reason in status
            send(
                "/changes/hold", csrf=csrf, reason=reason, account="box", job=f"{round_number:032x}"
            )
            assert reason in desk.run("hold", "list").stdout
            desk.run("resume", "--yes")
            assert "Not paused." in daemon.get("/changes", **cookie)[1]
            assert "Ended: 1 session of jane." in desk.run("user", "sign-out", "jane").stdout
            assert daemon.get("/changes", **cookie)[0] == 401
        assert daemon.end() == 0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def http_error_303(self, _request: Any, answer: Any, *_rest: Any) -> Any:
        return answer


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'web: {listen: "127.0.0.1:TAKEN"}',
            "cannot listen on 127.0.0.1:TAKEN: Address already in use",
        ),
        ('web: {listen: "0.0.0.0:0"}', "an address that others can reach needs auth"),
        (
            'web: {listen: "0.0.0.0:0", auth: {token: {file: absent}}}',
            "the file absent cannot be read: No such file",
        ),
        ('web: {listen: "0.0.0.0:0", auth: {token: {file: empty}}}', "the file empty is empty"),
        ('web: {listen: "0.0.0.0:0", auth: {users: absent}}', "no such file of users"),
        (
            'web: {listen: "0.0.0.0:0", auth: {token: {file: short}}}',
            "the file short is too short for a token: at least 16",
        ),
        (
            'schedule: {cron: "every hour"}',
            "`every hour` is not a schedule: write minute hour day month weekday",
        ),
    ],
)
def test_what_cannot_start_is_one_sentence_and_ends_with_2(
    desk: Processes, text: str, said: str
) -> None:
    (desk.folder / "empty").write_text("\n")
    (desk.folder / "short").write_text("hunter2")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        desk.configure(POLICIES + text.replace("TAKEN", port) + "\n")
        ended = desk.run("serve", code=2)
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1
    assert said.replace("TAKEN", port) in lines[0]
    assert "hunter2" not in ended.stderr


@contextmanager
def prometheus(program: Path, folder: Path, target: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = folder / "prometheus.yml"
    file.write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: janitor, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    process = subprocess.Popen(
        [program, f"--config.file={file}", f"--storage.tsdb.path={folder / 'tsdb'}",
         f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def query(address: str, expression: str) -> dict[str, float]:
    """Series by their labels but job and instance; nothing while Prometheus is not there yet."""
    asked = f"{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            found = json.load(answer)["data"]["result"]
    except urllib.error.URLError:
        return {}
    labels = [
        {name: text for name, text in each["metric"].items() if name not in _THEIRS}
        for each in found
    ]
    return {
        ",".join(f"{name}={text}" for name, text in sorted(own.items())): float(each["value"][1])
        for own, each in zip(labels, found, strict=True)
    }


def test_a_real_prometheus_sees_what_the_vendor_saw(
    desk: Processes, component: Find, tmp_path: Path
) -> None:
    with (
        served(desk, "--execute") as daemon,
        prometheus(
            component("prometheus"), tmp_path, daemon.url.removeprefix("http://")
        ) as address,
    ):
        wait_for(
            lambda: query(address, 'sauce_janitor_runs_total{result="done"}'),
            "the run in Prometheus",
        )
        wait_for(
            lambda: (
                sum(query(address, "sauce_janitor_api_requests_total").values())
                == len(desk.sandbox.log())
            ),
            "every request in Prometheus",
        )
        deletes = [entry for entry in desk.sandbox.writes() if entry["method"] == "DELETE"]
        done = query(
            address,
            "sum by (action)"
            ' (sauce_janitor_actions_total{action=~"delete_.*",outcome=~"done|already_gone"})',
        )
        assert sum(done.values()) >= len(deletes) > 0
        assert query(address, "up") == {"": 1.0}
        assert query(address, "sauce_janitor_executing") == {"": 0.0}
