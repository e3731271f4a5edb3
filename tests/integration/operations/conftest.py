"""Whole runs in this process: a configuration, a sandbox, a state and an archive on disk, and a
clock that can be set on.
"""

from __future__ import annotations

import io
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor import state
from sauce_janitor.__main__ import main
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.support.commands import RAW, Commands, Heard, check_format


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Callable[..., Commands]]:
    with ExitStack() as stack:

        def make(jobs: int = 60, **options: Any) -> Commands:
            sandbox = stack.enter_context(Sandbox(SandboxOptions(jobs=jobs, **options)))
            return Commands(tmp_path, sandbox, stack)

        yield make


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Heard]:
    """Runs a command as the program does, in this process; checks every byte of what it says."""

    def run(desk: Commands, *words: str, encoding: str = "utf-8") -> Heard:
        out, err = io.BytesIO(), io.BytesIO()
        with monkeypatch.context() as patch:
            patch.setenv("KEY", desk.sandbox.access_key)
            patch.setattr(
                state, "_opened", {}
            )  # a process of its own has opened no other test's state
            patch.chdir(tmp_path)
            patch.setattr(sys, "stdin", io.StringIO(""))
            patch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding))
            patch.setattr(sys, "stderr", io.TextIOWrapper(err, encoding=encoding))
            with pytest.raises(SystemExit) as ended:
                main(["--config", str(desk.folder / "config.yaml"), "--log-level", "debug", *words])
            said = out.getvalue().decode(encoding), err.getvalue().decode(encoding)
        for text in said:
            raw = {each for each in text if unicodedata.category(each) in RAW} - {"\n"}
            assert not raw, (words, raw, text)
            assert not [line for line in text.splitlines() if line.startswith("2026 forged")], words
        assert "Traceback" not in said[1], (words, said[1])
        if words[-2:-1] == ("--format",) and said[0]:
            check_format(words[-1], said[0])
        code = ended.value.code
        assert isinstance(code, int)
        return Heard(code, *said)

    return run
