"""`init` proposes policies for what an account that answers really runs; without one it writes its
examples, and says so.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sauce_janitor.cli.app import cli
from sauce_janitor.config import Config, load
from sauce_janitor.model.jobs import Job
from sauce_janitor.operations import account_sample
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.sauce.client import SauceReader

DEFAULT = "everything-else"


class Newcomer:
    """Somebody with an account, in an empty folder."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.environ = {
            "SAUCE_USERNAME": sandbox.user,
            "SAUCE_ACCESS_KEY": sandbox.access_key,
            "HOME": str(folder),
            "NO_COLOR": "1",
        }

    @property
    def path(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def config(self) -> Config:
        return load(self.path, environ=self.environ)

    def say(self, *words: str, code: int = 0) -> Result:
        runner = CliRunner(env=self.environ | {"SAUCE_JANITOR_CONFIG": str(self.path)})
        said = runner.invoke(cli, ["--log-level", "error", *words], standalone_mode=False)
        found = getattr(said.exception, "exit_code", None) if said.exception else said.return_value
        if said.exception is not None and found is None:
            raise said.exception
        assert (found or 0) == code, (words, said.output, said.exception)
        return said

    def init(self, *words: str) -> list[str]:
        """What it says, without the last line."""
        said = self.say("init", "--base-url", self.sandbox.base_url, *words).stdout.splitlines()
        assert said[0] == f"Wrote {self.path}, and config.schema.json for editors"
        assert said[-1].startswith("Next: ")
        return said[1:-1]


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Callable[..., Newcomer]]:
    with ExitStack() as stack:

        def made(jobs: int = 300, **options: Any) -> Newcomer:
            sandbox = stack.enter_context(Sandbox(SandboxOptions(jobs=jobs, **options)))
            return Newcomer(tmp_path, sandbox)

        yield made


def policies(config: Config) -> list[str]:
    return [
        policy.name
        for policy in config.rules(config.accounts[0].name).policies
        if policy.name != DEFAULT
    ]


def examples(newcomer: Newcomer) -> str:
    """The file that says nothing of the account."""
    other = newcomer.folder / "other.yaml"
    newcomer.say(
        "init", "--base-url", newcomer.sandbox.base_url, "--offline", "--output", str(other)
    )
    return other.read_text(encoding="utf-8").replace("other.schema", "config.schema")


def listed(newcomer: Newcomer) -> list[Job]:
    from sauce_janitor.operations.wiring.account_client import connection

    with SauceReader(connection(newcomer.config().accounts[0])) as reader:
        return list(reader.list_jobs(newcomer.sandbox.user).jobs)  # type: ignore[arg-type]


def test_builds_tags_and_suites_that_are_there_are_proposed_with_their_counts(
    newcomer: Callable[..., Newcomer],
) -> None:
    somebody = newcomer()
    [said] = somebody.init()
    assert {entry.method for entry in somebody.sandbox.log} == {"GET"}
    proposed = policies(somebody.config())
    assert said.startswith(
        f"{len(proposed)} policies are proposed from 300 jobs in 90 days of demo at"
        " http://127.0.0.1:"
    )
    assert {"build-pr", "build-nightly", "tag-smoke"} <= set(proposed)
    assert sum(name.startswith("suite-") for name in proposed) == 3
    jobs = listed(somebody)
    prs = [job for job in jobs if str(job.build).startswith("PR-")]
    builds = len({job.build for job in prs})
    smoke = sum("smoke" in job.tags for job in jobs if isinstance(job.tags, tuple))
    tags = [job.tags for job in jobs if isinstance(job.tags, tuple)]
    held = sum(any(tag == "keep" or tag.startswith("keep-until=") for tag in each) for each in tags)
    assert (
        f'# {len(prs):,} of 300 jobs in 90 days are of {builds} builds that begin with "PR-".'
        in somebody.text
    )
    assert f'# {smoke:,} of 300 jobs in 90 days carry the tag "smoke".' in somebody.text
    assert f"# {held} jobs have one of these two tags" in somebody.text
    for name in proposed:
        assert re.search(rf"  # \d[\d,]* of 300 jobs .*\n  - name: {name}\n", somebody.text), (
            "each says its count"
        )


def test_the_proposed_file_passes_check_and_its_plan_only_reads(
    newcomer: Callable[..., Newcomer],
) -> None:
    somebody = newcomer()
    somebody.init()
    checked = somebody.say("check").stdout
    assert "warning" not in checked
    planned = somebody.say("plan").stdout
    assert re.search(
        r"^Plan: \d+ jobs? to archive, assets of \d+ jobs? to delete, 0 jobs to delete, 0 jobs to"
        r" stop$",
        planned,
        re.MULTILINE,
    )
    assert {entry.method for entry in somebody.sandbox.log} == {"GET"}


def test_no_proposal_deletes_a_job_or_what_is_not_archived_and_releases_are_kept(
    newcomer: Callable[..., Newcomer],
) -> None:
    somebody = newcomer(jobs=600)
    somebody.init()
    text = somebody.text.partition("Proposed from")[2]
    thens = re.findall(r"^    then: (.*?)(?:   #.*)?$", text, re.MULTILINE)
    assert len(thens) > 5
    assert set(thens) == {
        "{archive: 24d, delete_assets: 26d}",
        "{archive: 2h, delete_assets: never, delete_job: never}",
    }
    assert re.search(r'match: {build: "rc-\*"}\n    then: {archive: 2h, delete_assets: never', text)


HOSTILE = (
    'say "hi"',
    "a'b\"c",
    "two\nlines",
    "x: y\n  - name: evil\n    match: all",
    "- item",
    "{a,b}",
    "[ab]*",
    "wild*card",
    "what?",
    "keep\u200b",
    "k\u0435ep",
    "\u202egnp",
    "\x1b]0;x\x07",
    "${HOME}",
    "!!python/object",
    "&anchor",
    "*alias",
    "# comment",
    "%YAML",
    "|",
    ">",
    "`id`",
    "null\\n",
    "a" * 300,
    "\U0001f600",
    " ",
    "--",
    "~",
    "a\tb",
    "100%",
)


def test_names_that_could_mean_something_else_or_be_a_secret_are_left_out(
    newcomer: Callable[..., Newcomer],
) -> None:
    somebody = newcomer(jobs=0)
    secrets = (
        somebody.sandbox.access_key,
        "0a1b2c3d-4e5f-6789-abcd-ef0123456789",
        "ghp" + "x1" * 20,
    )
    for text in (*HOSTILE, *secrets):
        for _ in range(10):
            somebody.sandbox.arrive(build=text, name=text, tags=[text])
    for number in range(10):
        somebody.sandbox.arrive(build=f"good-{number}", name="Log in: as a guest", tags=["a: b"])
    somebody.init()
    assert policies(somebody.config()) == ["build-good", "tag-a-b", "suite-log-in-as-a-guest"]
    assert 'match: {tags: "a: b"}' in somebody.text
    assert somebody.text.isascii()
    assert somebody.text.isprintable() is False
    assert set(somebody.text) - set("\n") <= set(map(chr, range(32, 127)))
    for text in (*HOSTILE, *secrets):
        if len(text.strip()) > 4:
            assert text not in somebody.text
    assert "evil" not in somebody.text
    assert "warning" not in somebody.say("check").stdout


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        (
            {"SAUCE_USERNAME": "", "SAUCE_ACCESS_KEY": ""},
            "no credentials: set SAUCE_USERNAME and SAUCE_ACCESS_KEY",
        ),
        ({"SAUCE_ACCESS_KEY": "wrong"}, "401"),
    ],
)
def test_without_an_account_that_answers_the_file_has_examples_and_one_line_says_so(
    newcomer: Callable[..., Newcomer], environ: dict[str, str], why: str
) -> None:
    somebody = newcomer(jobs=20)
    somebody.environ |= environ
    [said] = somebody.init()
    assert said.startswith("its policies are examples, because the account could not be listed: ")
    assert why in said
    assert somebody.text == examples(somebody)


def test_an_account_of_which_nothing_can_be_heard_gives_examples(
    newcomer: Callable[..., Newcomer],
) -> None:
    somebody = newcomer(jobs=20)
    somebody.sandbox.inject("status", endpoint="jobs.list", status=500)
    [said] = somebody.init()
    assert said.startswith("its policies are examples, because the account could not be listed: ")
    assert somebody.text == examples(somebody)


def test_an_account_without_jobs_gives_examples_and_offline_asks_nothing(
    newcomer: Callable[..., Newcomer],
) -> None:
    somebody = newcomer(jobs=0)
    [said] = somebody.init()
    assert said.startswith("its policies are examples: 0 jobs in 90 days of demo at ")
    asked = len(somebody.sandbox.log)
    assert somebody.text == examples(somebody)
    assert len(somebody.sandbox.log) == asked


def test_what_is_there_is_not_overwritten_and_nothing_is_asked_for_it(
    newcomer: Callable[..., Newcomer],
) -> None:
    somebody = newcomer(jobs=20)
    somebody.path.write_text("mine", encoding="utf-8")
    refused = somebody.say("init", "--base-url", somebody.sandbox.base_url, code=2)
    assert "exists already" in str(refused.exception)
    assert somebody.text == "mine"
    assert len(somebody.sandbox.log) == 0


def test_of_a_large_account_only_the_newest_jobs_are_listed_and_the_file_says_so(
    newcomer: Callable[..., Newcomer], monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody = newcomer(jobs=1200)
    monkeypatch.setattr(account_sample, "MOST_JOBS", 400)
    [said] = somebody.init()
    assert len(somebody.sandbox.log) == 1
    assert re.search(r"from the newest 500 jobs \(\d+ days\) of demo at http://[\d.:]+$", said), (
        said
    )
    told = r'# \d+ of the newest 500 jobs \(\d+ days\) are of \d+ builds that begin with "PR-"\.'
    assert re.search(told, somebody.text)


def test_its_last_line_names_commands_that_read_the_new_file_and_change_nothing(
    newcomer: Callable[..., Newcomer],
) -> None:
    somebody = newcomer(jobs=20)
    said = somebody.say("init", "--base-url", somebody.sandbox.base_url).stdout.splitlines()[-1]
    assert (
        said
        == "Next: sauce-janitor check, then sauce-janitor plan; both only read, and change nothing"
        " at Sauce Labs"
    )
    other = somebody.folder / "config of bob.yaml"
    said = somebody.say(
        "init", "--base-url", somebody.sandbox.base_url, "--output", str(other)
    ).stdout.splitlines()[-1]
    for command in re.findall(r"sauce-janitor (--config .*?) (?:check|plan)", said):
        assert shlex.split(command) == ["--config", str(other)]
    for named in ("check", "plan"):
        somebody.say("--config", str(other), named)
    assert {entry.method for entry in somebody.sandbox.log} == {"GET"}
