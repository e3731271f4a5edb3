"""What goes wrong is said in one clear sentence, with the documented exit code, and nothing is
lost.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.backends import Storage
from tests.support.components import lacking
from tests.support.processes import POLICIES, LoggedSandbox, Processes


@pytest.fixture
def faulty(
    tmp_path: Path, storage: Storage, start_sandbox: Callable[..., LoggedSandbox]
) -> Callable[[str], Processes]:
    """A desk on a sandbox of 120 jobs with these faults."""

    def make(faults: str) -> Processes:
        (tmp_path / "faults.yaml").write_text(f"faults:\n{faults}\n")
        folder = tmp_path / "desk"
        sandbox = start_sandbox(120, faults=tmp_path / "faults.yaml")
        desk = Processes(folder, sandbox, storage)
        desk.configure(POLICIES + "\n")
        text = (folder / "config.yaml").read_text()
        quick = (
            "box: {base_url: BASE, timeout: 1s, timeout_total: 3s, retries: {attempts: 2, max_wait:"
            " 1s}}"
        )
        (folder / "config.yaml").write_text(
            text.replace(
                f"box: {{base_url: {desk.sandbox.base_url}}}",
                quick.replace("BASE", desk.sandbox.base_url),
            )
        )
        return desk

    return make


def one_sentence(text: str) -> str:
    """The last line of stderr, which must be ours and no traceback."""
    assert "Traceback" not in text, text
    lines = [line for line in text.strip().splitlines() if not line.startswith("{")]
    assert lines, text
    return lines[-1]


def test_wrong_credentials_end_the_run_at_once_with_2(desk: Processes) -> None:
    desk.environment["SAUCE_ACCESS_KEY"] = "wrong"
    ended = desk.run("run", "--execute", code=2)
    assert "401" in one_sentence(ended.stderr)
    assert "wrong" not in ended.stderr.replace("wrong or", "")
    assert len(desk.sandbox.log()) == 1


def test_missing_credentials_say_which_variable(desk: Processes) -> None:
    del desk.environment["SAUCE_ACCESS_KEY"]
    assert "SAUCE_ACCESS_KEY" in one_sentence(desk.run("plan", code=2).stderr)
    assert desk.sandbox.log() == []


def test_a_user_that_does_not_exist_is_named(desk: Processes) -> None:
    text = (desk.folder / "config.yaml").read_text()
    (desk.folder / "config.yaml").write_text(
        text.replace("base_url:", "users: [nobody.here], base_url:")
    )
    assert "nobody.here" in one_sentence(desk.run("plan", code=4).stderr)


def test_no_network_names_the_host(desk: Processes) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    text = (desk.folder / "config.yaml").read_text()
    quick = f"http://127.0.0.1:{port}, retries: {{attempts: 2, max_wait: 1s}}"
    (desk.folder / "config.yaml").write_text(text.replace(desk.sandbox.base_url, quick))
    assert f"127.0.0.1:{port}" in one_sentence(desk.run("plan", code=4).stderr)


@pytest.mark.parametrize(
    "faults",
    # Three of them on each change: test_never_fooled and test_invariants have each in this process.
    [
        "  - {fault: html, endpoint: jobs.list}",
        pytest.param("  - {fault: not_a_list, endpoint: jobs.list}", marks=pytest.mark.thorough),
        pytest.param("  - {fault: deep_json, endpoint: jobs.list}", marks=pytest.mark.thorough),
        pytest.param("  - {fault: truncated, endpoint: jobs.list}", marks=pytest.mark.thorough),
        pytest.param("  - {fault: short_gzip, endpoint: jobs.list}", marks=pytest.mark.thorough),
        pytest.param(
            (
                "  - {fault: same_page, endpoint: jobs.list}\n  - {fault: capped_page, endpoint:"
                " jobs.list, limit: 50}"
            ),
            marks=pytest.mark.thorough,
        ),
        pytest.param("  - {fault: redirect, endpoint: jobs.list}", marks=pytest.mark.thorough),
        "  - {fault: stall, endpoint: jobs.list}",
        pytest.param(
            "  - {fault: status, endpoint: jobs.list, status: 503, after: 0}",
            marks=pytest.mark.thorough,
        ),
        "  - {fault: gzip_bomb, endpoint: jobs.list}",
        pytest.param("  - {fault: big_header, endpoint: jobs.list}", marks=pytest.mark.thorough),
    ],
    ids=lambda text: text.split("fault: ")[1].split(",")[0],
)
def test_a_listing_that_cannot_be_trusted_makes_no_plan(
    faulty: Callable[[str], Processes], faults: str
) -> None:
    desk = faulty(faults)
    ended = desk.run("run", "--execute", code=4)
    assert one_sentence(ended.stderr).startswith("sauce-janitor: ")
    assert "Plan:" not in ended.stdout
    assert desk.sandbox.writes() == []


@pytest.mark.parametrize(
    "fault",
    [
        "truncated",
        pytest.param("short_gzip", marks=pytest.mark.thorough),
        pytest.param("html", marks=pytest.mark.thorough),
        pytest.param("stall", marks=pytest.mark.thorough),
        pytest.param("redirect", marks=pytest.mark.thorough),
        pytest.param("status, status: 404", marks=pytest.mark.thorough),
        "drip",
    ],
)
def test_an_asset_that_did_not_come_whole_keeps_its_job(
    faulty: Callable[[str], Processes], fault: str
) -> None:
    desk = faulty(f"  - {{fault: {fault}, endpoint: asset.get, path: '*log.json'}}")
    ended = desk.run("run", "--execute", code=4)
    assert "Failed" in ended.stdout
    stored, unwanted = _stored(desk, "log.json"), _deleted_by(desk, "pull-requests")
    for entry in desk.sandbox.writes():
        destroyed = {each["name"] for each in entry["destroyed"] or ()}
        assert "log.json" not in destroyed or entry["job_id"] in stored | unwanted
    desk.run("archive", "verify")


def _stored(desk: Processes, name: str) -> set[str]:
    """The jobs of which a receipt says that it holds that file."""
    return {
        each["job_id"]
        for each in desk.storage.receipts()
        if name in {asset["name"] for asset in each["assets"]}
    }


def _deleted_by(desk: Processes, policy: str) -> set[str]:
    """The jobs that the journal says were deleted under that policy, which archives nothing."""
    with desk.storage.state.open() as state:
        lines = list(state.journal.lines())
    return {line.job_id for line in lines if line.kind == "intent" and line.policy == policy}


def test_hostile_asset_names_stay_inside_the_archive(faulty: Callable[[str], Processes]) -> None:
    names = [
        "../../escaped.log",
        "/tmp/escaped.log",
        "nul\\0.log",
        "A.log",
        "a.log",
        "receipt.json",
        "x" * 5000 + ".log",
    ]
    desk = faulty(f"  - {{fault: hostile_assets, endpoint: assets.list, names: {names!r}}}")
    before = set(desk.folder.parent.rglob("escaped*"))
    desk.run("run", "--execute", code=4)
    assert set(desk.folder.parent.rglob("escaped*")) == before
    assert not Path("/tmp/escaped.log").exists()


def test_a_hostile_owner_name_is_refused(desk: Processes) -> None:
    text = (desk.folder / "config.yaml").read_text()
    (desk.folder / "config.yaml").write_text(
        text.replace("base_url:", 'users: ["../../x"], base_url:')
    )
    ended = desk.run("plan", code=2)
    assert "users" in ended.stderr
    assert desk.sandbox.log() == []


@pytest.mark.one_backend("a file is where the folder of the archive should be")
def test_an_archive_that_cannot_be_written_deletes_nothing(desk: Processes) -> None:
    (desk.folder / "archive").write_text("a file where a folder should be")
    ended = desk.run("run", "--execute", code=4)
    assert "archive" in one_sentence(ended.stderr)
    assert desk.sandbox.writes() == []


def test_an_archive_whose_mount_is_gone_deletes_nothing(desk: Processes) -> None:
    desk.run("run", "--execute")
    before = len(desk.sandbox.writes())
    desk.storage.archive.clear()
    ended = desk.run("run", "--execute", code=4)
    assert "archive" in one_sentence(ended.stderr)
    assert len(desk.sandbox.writes()) == before


@pytest.fixture
def small_disk(desk: Processes) -> Iterator[Path]:
    """A file system of 300 kB where the archive goes."""
    if os.geteuid() != 0:
        lacking("needs root to mount a small tmpfs")
    folder = desk.folder / "archive"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        lacking(f"needs the right to mount a tmpfs: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.one_backend("the folder of the archive is a disk that gets full")
def test_a_full_disk_ends_the_run_with_4_and_what_is_archived_verifies(
    desk: Processes, small_disk: Path
) -> None:
    ended = desk.run("run", "--execute", code=4)
    assert "Traceback" not in ended.stderr
    desk.run("archive", "verify")
    archived = {path.parent.name for path in small_disk.rglob("receipt.json")}
    archived |= _deleted_by(desk, "pull-requests")
    for entry in desk.sandbox.writes():
        assert entry["job_id"] in archived


def test_a_state_of_a_newer_version_is_left_alone(desk: Processes) -> None:
    desk.run("plan")
    desk.storage.state.execute(
        "UPDATE alembic_version SET version_num = '9999'",
        "UPDATE meta SET value = '9998' WHERE key = 'readable_from'",
    )
    assert "newer" in one_sentence(desk.run("plan", code=3).stderr)


@pytest.mark.one_backend("bytes of the state's file are overwritten")
def test_a_damaged_state_says_so_and_is_not_started_anew(desk: Processes) -> None:
    desk.run("plan")
    path = desk.folder / "state.db"
    damaged = b"\0" * 4096 + path.read_bytes()[4096:]
    path.write_bytes(damaged)
    for extra in ("-wal", "-shm"):
        path.with_name(path.name + extra).unlink(missing_ok=True)
    assert "state.db" in one_sentence(desk.run("plan", code=4).stderr)
    assert path.read_bytes() == damaged


def test_a_clock_before_2020_refuses(desk: Processes) -> None:
    if shutil.which("faketime") is None:
        lacking("needs faketime")
    from tests.support.processes import PROGRAM

    command = ["faketime", "2001-01-01 00:00:00", *PROGRAM, "run", "--execute"]
    ended = subprocess.run(
        command, cwd=desk.folder, env=desk.environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 3, ended.stderr
    assert "clock" in one_sentence(ended.stderr)
    assert desk.sandbox.log() == []


def test_a_clock_that_differs_from_sauce_labs_deletes_nothing(
    faulty: Callable[[str], Processes],
) -> None:
    desk = faulty("  - {fault: clock_skew, seconds: 900}")
    assert "clock" in one_sentence(desk.run("run", "--execute", code=3).stderr)
    assert desk.sandbox.writes() == []


def test_three_faults_in_the_configuration_are_said_at_once_before_any_request(
    desk: Processes,
) -> None:
    text = (desk.folder / "config.yaml").read_text()
    text = (
        text.replace("delete_job: 14d", "delete_job: 14")
        .replace("last: 2", "lst: 2")
        .replace("max_percent", "max_percnt")
    )
    (desk.folder / "config.yaml").write_text(text)
    ended = desk.run("plan", code=2)
    lines = ended.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("config.yaml:") for line in lines)
    assert "policies[0].then.delete_job" in ended.stderr
    assert desk.sandbox.log() == []


def test_a_missing_configuration_says_how_to_make_one(desk: Processes) -> None:
    (desk.folder / "config.yaml").unlink()
    assert "init" in one_sentence(desk.run("plan", code=2).stderr)


def test_a_list_that_lost_most_jobs_makes_no_plan_until_the_operator_says_so(
    desk: Processes,
) -> None:
    desk.run("plan")
    import requests

    for job in [
        *requests.get(
            f"{desk.sandbox.base_url}/rest/v1/demo/jobs?limit=500",
            auth=("demo", "demo-key"),
            timeout=30,
        ).json()
    ][:200]:
        requests.delete(
            f"{desk.sandbox.base_url}/rest/v1.1/jobs/{job['id']}",
            auth=("demo", "demo-key"),
            timeout=30,
        )
    text = (desk.folder / "config.yaml").read_text()
    (desk.folder / "config.yaml").write_text(
        text.replace("base_url:", "listing: {full_every: 1s}, base_url:")
    )
    refused = one_sentence(desk.run("plan", code=4).stderr)
    assert "nothing is concluded" in refused
    assert "--accept-loss" in refused
    assert "Plan:" in desk.run("plan", "--accept-loss").stdout
    desk.run("plan")
