"""The file of users: what the command `user` writes, and what is refused."""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sauce_janitor.config.passwords import hashed, is_usable_hash, matches, why_refused
from sauce_janitor.config.web_users import WebUser, editing, read_users
from sauce_janitor.model.roles import Role
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.state import WebSession
from tests.support.commands import Commands

WEB = "web: {auth: {users: users.yaml}}\n"
GOOD = "correct horse battery"
HASH = hashed(GOOD)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Commands]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(SandboxOptions(jobs=1)))
        desk = Commands(tmp_path, sandbox, stack)
        desk.configure(WEB)
        yield desk


def add(desk: Commands, name: str, role: str = "viewer", password: str = GOOD) -> None:
    desk.say("user", "add", name, "--role", role, "--password-file", "-", stdin=f"{password}\n")


def refused(desk: Commands, *words: str, stdin: str | None = None) -> str:
    return str(desk.say("user", *words, code=2, stdin=stdin).exception)


def test_a_user_is_added_changed_and_removed(desk: Commands) -> None:
    path = desk.folder / "users.yaml"
    add(desk, "Jane.Doe@example.com", "operator")
    add(desk, "bob")
    assert '"name": "jane.doe@example.com"' in desk.say("user", "list", "--format", "json").stdout
    first = read_users(path)["jane.doe@example.com"]
    assert first.role == Role.OPERATOR
    assert matches(first.password_hash, GOOD)
    assert not matches(first.password_hash, f"{GOOD}!")
    desk.say("user", "role", "jane.doe@example.com", "approver")
    assert read_users(path)["jane.doe@example.com"].role == Role.APPROVER
    desk.say(
        "user", "passwd", "jane.doe@example.com", "--password-file", "-", stdin="other words, 12\n"
    )
    after = read_users(path)["jane.doe@example.com"]
    assert after.role == Role.APPROVER
    assert after.credential != first.credential
    assert matches(after.password_hash, "other words, 12")
    desk.say("user", "remove", "jane.doe@example.com")
    assert set(read_users(path)) == {"bob"}


def test_the_file_is_readable_by_its_owner_only_and_has_no_password(desk: Commands) -> None:
    add(desk, "jane")
    path = desk.folder / "users.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert GOOD not in path.read_text()
    assert sorted(each.name for each in desk.folder.iterdir()) == ["config.yaml", "users.yaml"]


def test_who_could_read_the_file_can_read_it_after_a_change(desk: Commands) -> None:
    add(desk, "jane")
    path = desk.folder / "users.yaml"
    # For a daemon that runs as another user of the file's group.
    path.chmod(0o640)
    desk.say("user", "role", "jane", "approver")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_to_the_file_stays_a_link(desk: Commands) -> None:
    (desk.folder / "secrets").mkdir()
    (desk.folder / "users.yaml").symlink_to("secrets/users.yaml")
    add(desk, "jane")
    assert (desk.folder / "users.yaml").is_symlink()
    assert set(read_users(desk.folder / "secrets/users.yaml")) == {"jane"}


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "at least 12 characters"),
        ("x" * 513, "at most 512 characters"),
        ("aaaaaaaaaaaaaaaa", "can be guessed"),
        ("i am jane, let me in", "contains the user's name"),
        ("tab\tbed passwords", "cannot be typed"),
        ("", "at least 12 characters"),
    ],
)
def test_a_weak_password_is_refused(desk: Commands, password: str, why: str) -> None:
    said = refused(
        desk, "add", "jane", "--role", "viewer", "--password-file", "-", stdin=f"{password}\n"
    )
    assert why in said
    assert not (desk.folder / "users.yaml").exists()


@pytest.mark.parametrize(
    "name", ["", "ja ne", "../x", "token", "anonymous", "jane\u202e", "-x", "a" * 64, "{{7*7}}"]
)
def test_a_name_that_could_be_mistaken_is_refused(desk: Commands, name: str) -> None:
    refused(desk, "add", "--role", "viewer", "--password-file", "-", "--", name, stdin=GOOD)
    assert not (desk.folder / "users.yaml").exists()


def test_a_user_is_never_added_twice_and_an_unknown_one_not_changed(desk: Commands) -> None:
    add(desk, "jane")
    said = refused(desk, "add", "jane", "--role", "approver", "--password-file", "-", stdin=GOOD)
    assert "has a user jane already" in said
    for words in (
        ("role", "bob", "viewer"),
        ("remove", "bob"),
        ("passwd", "bob", "--password-file", "-"),
    ):
        assert "has no user bob" in refused(desk, *words, stdin=GOOD)
    assert read_users(desk.folder / "users.yaml")["jane"].role == Role.VIEWER


def test_without_a_terminal_the_password_must_come_from_a_file(desk: Commands) -> None:
    assert "add --password-file" in refused(desk, "add", "jane", "--role", "viewer")


def test_without_a_file_in_the_configuration_there_are_no_users(desk: Commands) -> None:
    desk.configure("")
    assert "names no file of users" in refused(desk, "list")


def test_on_a_terminal_the_password_is_asked_for_twice_and_never_shown(desk: Commands) -> None:
    """A real terminal; what is typed is not echoed."""

    def typed(*answers: str) -> tuple[int, str]:
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(desk.folder)
            words = ["user", "add", "jane", "--role", "approver"]
            os.execv(sys.executable, [sys.executable, "-m", "sauce_janitor", *words])
        said = b""
        left = list(answers)
        while True:
            try:
                said += os.read(terminal, 1024)
            except OSError:
                break
            if left and said.rstrip().endswith((b"Password of jane:", b"Once more:")):
                os.write(terminal, f"{left.pop(0)}\n".encode())
                said += b"|"
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()

    code, said = typed(GOOD, "something else entirely")
    assert (code, GOOD in said) == (2, False)
    assert "the two passwords differ" in " ".join(said.split())
    assert not (desk.folder / "users.yaml").exists()
    code, said = typed(GOOD, GOOD)
    assert (code, GOOD in said) == (0, False), said
    assert read_users(desk.folder / "users.yaml")["jane"].role == Role.APPROVER


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("users: [jane]\n", "users by name"),
        ("jane: {role: viewer}\n", "one key"),
        (f"users: {{jane: {{role: admin, hash: '{HASH}'}}}}\n", "viewer, operator or approver"),
        ("users: {jane: {role: viewer, hash: secret-word}}\n", "not an argon2id hash"),
        ("users: {jane: {role: viewer, hash: 12:30}}\n", "not an argon2id hash"),
        (f"users: {{Jane: {{role: viewer, hash: '{HASH}'}}}}\n", "small letters"),
        (
            f"users: {{jane: {{role: viewer, hash: '{HASH}', admin: true}}}}\n",
            "role and hash, and nothing else",
        ),
        (
            f"users: {{jane: {{role: viewer, hash: '{HASH.replace('65536', '9999999')}'}}}}\n",
            "not an",
        ),
        (
            f"users: {{jane: {{role: viewer, hash: '{HASH.replace('argon2id', 'argon2i')}'}}}}\n",
            "not an",
        ),
        (f"users: {{jane: {{role: viewer, hash: '{HASH}'}}, jane: {{}}}}\n", "given twice"),
    ],
)
def test_check_says_what_is_wrong_with_the_file_and_never_shows_a_hash(
    desk: Commands, text: str, why: str
) -> None:
    (desk.folder / "users.yaml").write_text(text)
    said = str(desk.say("check", code=2).exception)
    assert why in said
    for secret in ("secret-word", "12:30", HASH[-20:]):
        assert secret not in said


def test_check_warns_of_a_file_that_others_can_read_or_that_is_not_there(desk: Commands) -> None:
    path = desk.folder / "users.yaml"
    assert "there is no such file of users yet" in desk.say("check").stdout
    add(desk, "jane")
    assert "users.yaml" not in desk.say("check").stdout
    path.chmod(0o644)
    assert "can read the hashes" in desk.say("check").stdout
    path.chmod(0o646)
    assert "can change it" in str(desk.say("check", code=2).exception)


def test_a_pipe_in_place_of_the_file_is_not_waited_for(desk: Commands) -> None:
    os.mkfifo(desk.folder / "users.yaml")
    assert "is no regular file" in str(desk.say("check", code=2).exception)


def test_hashes_without_a_reasonable_cost_are_not_usable() -> None:
    assert is_usable_hash(HASH)
    for found, made in (("65536", "1024"), ("65536", "999999"), ("t=3", "t=99"), ("p=4", "p=0")):
        assert not is_usable_hash(HASH.replace(found, made))


def test_the_same_letters_typed_in_another_way_are_the_same_password() -> None:
    assert why_refused("pässword of jane") is None
    assert matches(hashed("p\u00e4ssword of jane"), "pa\u0308ssword of jane")


def test_sign_out_ends_every_session_of_one_user(desk: Commands) -> None:
    for number, name in enumerate(("jane", "jane", "bob")):
        session = WebSession(bytes([number]) * 32, name, b"c" * 32, 1, 1, 2**40)
        desk.state.web_sessions.add(session)
    assert "Ended: 2 sessions of jane." in desk.say("user", "sign-out", "jane").stdout
    assert "Ended: 0 sessions of jane." in desk.say("user", "sign-out", "jane").stdout
    assert desk.state.web_sessions.find(bytes([2]) * 32) is not None


def test_two_commands_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "users.yaml"
    with editing(path):
        pass
    entered, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with editing(path) as users:
            entered.set()
            assert go_on.wait(30)
            users["ann"] = _user("ann")

    thread = threading.Thread(target=slow)
    thread.start()
    assert entered.wait(30)
    other = subprocess.Popen(
        [sys.executable, "-c", ADD_BOB, str(path), HASH], stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"begins\n"
    go_on.set()
    thread.join(30)
    assert other.wait(30) == 0
    other.stdout.close()
    assert set(read_users(path)) == {"ann", "bob"}


ADD_BOB = """
import sys
from pathlib import Path
from sauce_janitor.config.web_users import WebUser, editing
from sauce_janitor.model.roles import Role
print("begins", flush=True)
with editing(Path(sys.argv[1])) as users:
    users["bob"] = WebUser("bob", Role.VIEWER, sys.argv[2])
"""


def _user(name: str) -> WebUser:
    return WebUser(name, Role.VIEWER, HASH)
