"""Write access: one order of steps for every command, and one place that asks for a dry run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

import sauce_janitor
from sauce_janitor.config import Account
from sauce_janitor.errors import LeaseError, RefusedError
from sauce_janitor.operations.wiring.pauses import Pauses
from sauce_janitor.operations.wiring.run_settings import ChangeOrder, RunContext
from sauce_janitor.operations.wiring.write_access import AccessSteps, WriteAccess, write_access

_PACKAGE = Path(sauce_janitor.__file__).parent
_BELOW_THE_COMMANDS = (
    "operations",
    "execute",
    "archive",
    "inventory",
    "model",
    "report",
    "retention",
    "sauce",
    "state",
)
_ASKS = "operations/wiring/write_access.py"


class _Steps(AccessSteps[str, str, int]):
    refused = "pruned"

    def __init__(self, done: list[str], stack: ExitStack, *, is_taken: bool = False) -> None:
        self.done, self._stack, self._is_taken = done, stack, is_taken

    def check_account(self) -> None:
        self.done.append("account")

    def exclude(self) -> AbstractContextManager[str]:
        return self._held()

    @contextmanager
    def _held(self) -> Iterator[str]:
        if self._is_taken:
            raise LeaseError("another run works")
        self.done.append("lease")
        yield "the lease"
        self.done.append("released")

    def open_archive(self) -> None:
        self.done.append("archive")

    def ports(self, held: str, /) -> str:
        self.done.append(f"ports with {held}")
        return "the gate"

    def recover(self, ports: str, /) -> int:
        self.done.append(f"recovery with {ports}")
        return 3


class _ManualSteps(_Steps):
    checks_state = False


def _context(done: list[str]) -> RunContext:
    state = SimpleNamespace(check_integrity=lambda: done.append("state"))
    config = SimpleNamespace(archive=SimpleNamespace(location=Path("/nowhere")))
    return cast("RunContext", SimpleNamespace(state=state, config=config))


def _access(done: list[str], *, paused: bool = False) -> WriteAccess:
    def refuse(what: str) -> None:
        done.append("pause")
        if paused:
            raise RefusedError(f"nothing was {what}")

    access = WriteAccess("box", _context(done))
    access.pauses = cast("Pauses", SimpleNamespace(refuse=refuse))
    return access


def test_every_command_takes_its_access_in_one_order() -> None:
    done: list[str] = []
    with ExitStack() as stack:
        assert _access(done).open(stack, _Steps(done, stack)) == ("the gate", 3)
    assert done == [
        "pause",
        "account",
        "lease",
        "state",
        "archive",
        "ports with the lease",
        "recovery with the gate",
        "released",
    ]


def test_a_paused_command_takes_nothing_and_says_what_was_not_done() -> None:
    done: list[str] = []
    with ExitStack() as stack, pytest.raises(RefusedError, match="nothing was pruned"):
        _access(done, paused=True).open(stack, _Steps(done, stack))
    assert done == ["pause"]


def test_without_the_lease_nothing_is_opened() -> None:
    done: list[str] = []
    with ExitStack() as stack, pytest.raises(LeaseError):
        _access(done).open(stack, _Steps(done, stack, is_taken=True))
    assert done == ["pause", "account"]


def test_a_change_by_hand_relies_on_nothing_that_the_state_remembers() -> None:
    done: list[str] = []
    with ExitStack() as stack:
        _access(done).open(stack, _ManualSteps(done, stack))
    assert "state" not in done
    assert done[:3] == ["pause", "account", "lease"]


def test_a_dry_run_has_no_access() -> None:
    account, context = cast("Account", SimpleNamespace(name="box")), _context([])
    assert write_access(account, context, ChangeOrder()) is None
    assert isinstance(write_access(account, context, ChangeOrder(execute=True)), WriteAccess)


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for part in _BELOW_THE_COMMANDS:
        for path in sorted((_PACKAGE / part).rglob("*.py")):
            yield path.relative_to(_PACKAGE).as_posix(), ast.parse(path.read_text())


def _asks(tree: ast.Module) -> Iterator[str]:
    """Yield where a module asks for a dry run: it reads `execute` of something (a call of a method
    of this name is SQL), or takes a flag of this name.
    """
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("execute", "dry_run"):
            if id(node) not in called:
                yield f"line {node.lineno}: .{node.attr}"
        elif isinstance(node, ast.arg) and node.arg in ("execute", "dry_run"):
            yield f"line {node.lineno}: the argument {node.arg}"


def test_only_write_access_asks_whether_an_order_is_a_dry_run() -> None:
    found = {name: list(_asks(tree)) for name, tree in _modules()}
    asking = {name: where for name, where in found.items() if where}
    assert list(asking) == [_ASKS]
    assert len(asking[_ASKS]) == 1


def test_nobody_else_makes_an_access_than_the_order_and_a_change_by_hand() -> None:
    makers = {
        name
        for name, tree in _modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "WriteAccess"
    }
    assert makers == {_ASKS, "operations/manual.py"}
