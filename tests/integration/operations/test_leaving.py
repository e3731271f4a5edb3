"""What one-shot runs leave for Prometheus and for people, taken by the real programs."""

from __future__ import annotations

import re
import socket
import stat
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sauce_janitor.metrics import MetricsExportError, write_textfile
from sauce_janitor.notify import webhooks
from tests.support.commands import Commands
from tests.support.webhooks import hooked

POLICY = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: 1h, delete_assets: 20d}}
deadlines:
  - {name: privacy, match: all, assets_gone_by: 6d}
"""
_SERIES = re.compile(r"^(sauce_janitor_\w+(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)
Find = Callable[[str], Path]


def page(desk: Commands) -> dict[str, float]:
    return read((desk.folder / "janitor.prom").read_text())


def read(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in _SERIES.findall(text)}


def counters(found: dict[str, float]) -> dict[str, float]:
    return {
        name: value
        for name, value in found.items()
        if re.match(r"\w+(_total|_bucket|_sum|_count)\b", name)
    }


def test_a_run_leaves_a_file_that_promtool_finds_no_fault_with(
    open_desk: Callable[..., Commands], component: Find
) -> None:
    desk = open_desk()
    desk.configure(POLICY + "metrics: {textfile: ./janitor.prom}\n")
    desk.say("run", "--execute")
    file = desk.folder / "janitor.prom"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert sorted(each.name for each in desk.folder.iterdir() if "prom" in each.name) == [
        "janitor.prom"
    ]
    checked = subprocess.run(
        [component("promtool"), "check", "metrics"],
        input=file.read_text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_counters_only_ever_grow_from_one_run_to_the_next_and_agree_with_the_vendor(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(POLICY + "metrics: {textfile: ./janitor.prom}\n")
    before: dict[str, float] = {}
    for arguments in (["run"], ["run", "--execute"], ["plan"], ["run"], ["run", "--execute"]):
        desk.say(*arguments)
        now = counters(page(desk))
        assert now.keys() >= before.keys()
        assert all(now[name] >= value for name, value in before.items())
        before = now
    found = page(desk)
    asked = sum(
        value
        for name, value in found.items()
        if name.startswith("sauce_janitor_api_requests_total")
    )
    assert asked == len(desk.sandbox.log)
    done = 'sauce_janitor_actions_total{account="box",action="delete_assets",outcome="done",policy="old"}'
    assert found[done] == len(desk.deleted())
    assert found['sauce_janitor_runs_total{account="box",mode="execute",result="done"}'] == 2


def test_a_run_that_fails_leaves_what_earlier_ones_knew(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    desk.configure(POLICY + "metrics: {textfile: ./janitor.prom}\n")
    desk.say("run", "--execute")
    before = page(desk)
    desk.sandbox.stop()
    desk.configure(
        POLICY + "metrics: {textfile: ./janitor.prom}\n", budget=", retries: {attempts: 1}"
    )
    desk.say("run", "--execute", code=4)
    after = page(desk)
    gauges = {name for name in before if name not in counters(before) and "budget" not in name}
    assert {name: after.get(name) for name in gauges} == {name: before[name] for name in gauges}
    assert after['sauce_janitor_runs_total{account="box",mode="execute",result="failed"}'] == 1


def test_a_refused_run_is_counted_as_one_and_told_to_a_webhook(
    open_desk: Callable[..., Commands], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk()
    with hooked() as hook:
        monkeypatch.setenv("HOOK", hook.url)
        desk.configure(
            POLICY.replace("{max_percent: null}", "{max_percent: null, max_jobs: 1}")
            + "metrics: {textfile: ./janitor.prom}\nnotify: {url: {env: HOOK}}\n"
        )
        for _ in range(2):
            desk.say("run", "--execute", code=3)
        desk.say("plan")
    found = page(desk)
    assert found['sauce_janitor_runs_total{account="box",mode="execute",result="refused"}'] == 2
    assert found['sauce_janitor_limit_broken{account="box",limit="max_jobs"}'] == 1
    assert found['sauce_janitor_limit_broken{account="box",limit="max_percent"}'] == 0
    assert [taken["event"] for taken in hook.taken] == ["refused"]
    assert "sauce-janitor approve sha256:" in str(hook.taken[0]["text"])


def test_deadlines_and_purges_are_told_once_by_dry_runs_too(
    open_desk: Callable[..., Commands], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk()
    with hooked() as hook:
        monkeypatch.setenv("HOOK", hook.url)
        desk.configure(POLICY + "notify: {url: {env: HOOK}, on: [deadline, purge]}\n")
        desk.say("run")
        desk.say("run")
    events = [str(taken["event"]) for taken in hook.taken]
    assert sorted(events) == sorted(set(events))
    assert "deadline" in events


def test_a_webhook_that_cannot_be_had_fails_no_run(
    open_desk: Callable[..., Commands], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "WAITS_S", (0.0, 0.0))
    desk = open_desk()
    desk.configure(POLICY + "notify: {url: {env: NO_SUCH_HOOK}}\n")
    desk.say("run")


@contextmanager
def gateway(program: Path) -> Iterator[str]:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        # Debian's keeps what it was pushed in a file of the machine
        [program, f"--web.listen-address=127.0.0.1:{port}", "--persistence.file="],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "listen" in line.lower():
                break
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_pushgateway_has_what_the_run_counted(
    open_desk: Callable[..., Commands], component: Find
) -> None:
    desk = open_desk()
    with gateway(component("prometheus-pushgateway")) as address:
        desk.configure(
            POLICY + f"metrics: {{pushgateway: '{address}', textfile: ./janitor.prom}}\n"
        )
        for _ in range(2):
            desk.say("run", "--execute")
        with urllib.request.urlopen(f"{address}/metrics") as answer:
            text = answer.read().decode()
    pushed = {
        re.sub(r',?(job|instance)="[^"]*"', "", name).replace("{,", "{").replace("{}", ""): value
        for name, value in read(text).items()
        if 'job="sauce-janitor"' in name
    }
    assert {name: value for name, value in pushed.items() if "_bucket" not in name} == {
        name: value for name, value in page(desk).items() if "_bucket" not in name
    }


def _pushed(address: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{address}/metrics") as answer:
        return read(answer.read().decode())


def test_two_janitors_do_not_replace_each_other_at_a_pushgateway(
    open_desk: Callable[..., Commands], component: Find
) -> None:
    one = open_desk()
    two = replace(one, folder=one.folder / "two", _state=[])
    two.folder.mkdir()
    with gateway(component("prometheus-pushgateway")) as address:
        for desk, name in ((one, ""), (two, ", instance: nightly")):
            desk.configure(POLICY + f"metrics: {{pushgateway: '{address}'{name}}}\n")
            desk.say("run")
        one.say("run")
        found = _pushed(address)
    runs = {
        name: value for name, value in found.items() if name.startswith("sauce_janitor_runs_total")
    }
    own = one.state.identity.instance_id
    assert {re.findall(r'instance="([^"]*)"', name)[0]: value for name, value in runs.items()} == {
        own: 2,
        "nightly": 1,
    }
    paused = {name for name in found if name.startswith("sauce_janitor_paused")}
    assert paused == {
        f'sauce_janitor_paused{{instance="{name}",job="sauce-janitor"}}'
        for name in (own, "nightly")
    }, "what is of no account is pushed once an instance"


def test_a_run_over_one_account_leaves_what_the_pushgateway_has_of_another(
    open_desk: Callable[..., Commands], component: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(colleagues=1)
    other = next(name for name in desk.sandbox.owners if name != desk.sandbox.user)
    monkeypatch.setenv("OTHER", desk.sandbox.owners[other])
    with gateway(component("prometheus-pushgateway")) as address:
        desk.configure(POLICY + f"metrics: {{pushgateway: '{address}'}}\n")
        config = desk.folder / "config.yaml"
        account = (
            f"  two: {{base_url: {desk.sandbox.base_url}, username: {other}, access_key: {{env:"
            " OTHER}}\n"
        )
        config.write_text(config.read_text().replace("archive:", account + "archive:", 1))
        desk.say("run", "--account", "two")
        before = _pushed(address)
        desk.say("run", "--account", "box")
        after = _pushed(address)
    of_two = {name: value for name, value in before.items() if 'account="two"' in name}
    assert len(of_two) > 10
    assert {name: after.get(name) for name in of_two} == of_two
    assert any('account="box"' in name for name in after)


def test_two_janitors_do_not_replace_each_other_s_textfile(
    open_desk: Callable[..., Commands], component: Find
) -> None:
    one = open_desk()
    two = replace(one, folder=one.folder / "two", _state=[])
    two.folder.mkdir()
    file = one.folder / "janitor.prom"
    one.configure(POLICY + f"metrics: {{textfile: {file}}}\n")
    two.configure(POLICY + f"metrics: {{textfile: {file}}}\n")
    one.say("run")
    before = file.read_bytes()
    two.say("run")
    assert file.read_bytes() == before
    own = one.state.identity.instance_id
    with pytest.raises(
        MetricsExportError, match=rf"belongs to another instance \({own}\): .*metrics\.instance"
    ):
        write_textfile(file, b"", instance="two")
    for desk, name in ((one, "first"), (two, "second")):
        desk.configure(POLICY + f"metrics: {{textfile: ./{name}.prom, instance: {name}}}\n")
        desk.say("run")
    both = (one.folder / "first.prom").read_text() + (two.folder / "second.prom").read_text()
    series = [line.rpartition(" ")[0] for line in both.splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series)), "a collector takes both files: no series is in both"
    checked = subprocess.run(
        [component("promtool"), "check", "metrics"], input=(one.folder / "first.prom").read_text(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_textfile_of_an_older_version_is_taken_over(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    desk.configure(POLICY + "metrics: {textfile: ./janitor.prom}\n")
    (desk.folder / "janitor.prom").write_text(
        "# HELP sauce_janitor_paused x\nsauce_janitor_paused 7\n"
    )
    desk.say("run")
    assert page(desk)["sauce_janitor_paused"] == 0


def test_a_pushgateway_or_a_folder_that_is_not_there_is_a_warning(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(
        POLICY + "metrics: {pushgateway: 'http://127.0.0.1:1', textfile: ./no/such/janitor.prom}\n"
    )
    desk.say("run", "--execute")
