"""Changes a job's fields by hand: merge, journal, write once, read back, journal.

A change is merged into what Sauce Labs returns right before the write, because the API replaces
whole lists. A change by somebody else during that one request cannot be noticed. Any other can:
before the write by comparing with what the person was shown, after it by reading back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sauce_janitor.errors import SourceError, StoppedError
from sauce_janitor.execute.manual.action import (
    LOOKS,
    WAIT_S,
    ManualPorts,
    ManualResult,
    Outcome,
    answer_text,
    is_refused,
    look,
    send,
)
from sauce_janitor.model.job_changes import Field, JobChange, fields_of, has_come, is_same
from sauce_janitor.model.jobs import JobDocument
from sauce_janitor.model.permits import UpdatePermit
from sauce_janitor.model.write_answers import WriteAnswer

MOST_TRIES: Final = 3
"""Writes of one change, each after somebody else overwrote the one before."""


def update(ports: ManualPorts, shown: JobDocument, change: JobChange) -> ManualResult:
    """Make the job what `change` wants. `shown` is what the person saw of the job when they asked
    for it.

    Nothing is sent when the job is already so; `failed` when a field that is replaced changed since
    it was shown. Raises SourceError before anything was sent, RefusedError while paused, and what
    the gate raises.
    """
    return _Update(ports, shown, change).run()


def differences(before: JobDocument, after: JobDocument) -> dict[Field, tuple[object, object]]:
    """Return the fields that differ, each before and after."""
    old, new = fields_of(before), fields_of(after)
    return {
        name: (old.get(name), new[name])
        for name in new
        if not is_same(name, old.get(name), new[name])
    }


@dataclass(frozen=True, slots=True)
class _Written:
    """A write that was sent: the fields, the job as it was before, the journal's line, the
    answer.
    """

    fields: dict[Field, object]
    before: JobDocument
    intent: int
    answer: WriteAnswer


class _Update:
    def __init__(self, ports: ManualPorts, shown: JobDocument, change: JobChange) -> None:
        self._ports, self._shown, self._change = ports, shown, change
        self._notes: list[str] = []

    def run(self) -> ManualResult:
        for tried in range(MOST_TRIES):
            # Reserved together, so that the answer is still fresh when the write leaves.
            with self._ports.source.reserved(2):
                written = self._merge_and_send(first=tried == 0)
            result = written if isinstance(written, ManualResult) else self._check(written)
            # None: somebody else overwrote the change, and merging it again may succeed.
            if result is not None:
                return result
        return self._ended("failed", f"somebody else overwrote it {MOST_TRIES} times", None)

    def _merge_and_send(self, *, first: bool) -> _Written | ManualResult:
        """Ask, merge, journal and send. Return a result where there is nothing to send."""
        ports, job = self._ports, self._shown.job
        asked_at = ports.clock.monotonic()
        now = look(ports.source, job.owner, job.id)
        # Only the first time: later differences are somebody else's writes, which are merged.
        if first and (drifted := self._drift(now)) is not None:
            return self._ended("failed", drifted, now)
        try:
            fields = self._change.of(now)
        except ValueError as error:
            return self._ended("failed", str(error), now)
        if not fields:
            return self._ended("nothing", "it has these values already", now)
        permit = UpdatePermit(job.id, job.owner, json.dumps(fields), asked_at)
        intent = ports.journal.begin(permit, by=ports.by, wanted=_on_record(fields))
        return _Written(fields, now, intent, send(ports, intent, lambda: ports.gate.update(permit)))

    def _drift(self, now: JobDocument) -> str | None:
        """Return why the person's change no longer applies, None where it does. A change that can
        be merged becomes a note instead.
        """
        before, after = fields_of(self._shown), fields_of(now)
        for name in self._change.of(self._shown):
            # Not shown, or unchanged since: the person decided on what is there.
            if name not in before or is_same(name, before[name], after.get(name)):
                continue
            difference = (
                f"{name} was {_text(before[name])} and is {_text(after.get(name))} now: somebody"
                " else changed it"
            )
            # A replaced field would silently undo what somebody else wrote.
            if not self._merges(name):
                return f"{difference}. Nothing was sent; look again"
            self._note(difference)
        return None

    def _merges(self, name: Field) -> bool:
        return name == "custom-data" or (name == "tags" and self._change.tags is None)

    def _check(self, written: _Written) -> ManualResult | None:
        """Return the result; None when somebody else overwrote the change and it must be merged
        again.
        """
        ports = self._ports
        fields, now, intent, answer = written.fields, written.before, written.intent, written.answer
        try:
            after, left = self._read_back(fields, now, looks=1 if is_refused(answer) else LOOKS)
        except (SourceError, StoppedError) as error:
            detail = f"Sauce Labs {answer_text(answer)}, and it could not be read back: {error}"
            ports.journal.end(intent, "unknown", detail=detail)
            return self._ended("unknown", detail, None)
        if not left:
            ports.journal.end(intent, "done", detail=f"{answer_text(answer)}, and read back")
            found = fields_of(after)
            # The wanted tags are there, and so are others: added by somebody else in between.
            if "tags" in fields and not is_same("tags", found.get("tags"), fields["tags"]):
                self._note(
                    f"somebody else wrote at the same time: tags are {_text(found.get('tags'))}"
                )
            return self._ended("done", "read back", after)
        there = "; ".join(f"{name} is {_text(fields_of(after).get(name))}" for name in sorted(left))
        ports.journal.end(intent, "failed", detail=f"{answer_text(answer)}, and read back: {there}")
        # Refused, ignored, or not mergeable: writing again would not help, or would destroy.
        if (
            is_refused(answer)
            or _is_untouched(left, now, after)
            or not all(map(self._merges, left))
        ):
            return self._ended("failed", f"Sauce Labs {answer_text(answer)}, and {there}", after)
        self._note(f"somebody else wrote at the same time: {there}")
        return None

    def _read_back(
        self, fields: dict[Field, object], now: JobDocument, *, looks: int
    ) -> tuple[JobDocument, set[Field]]:
        """Return the job as read after the write, and the fields that are not as wanted after the
        last look.
        """
        ports = self._ports
        for number in range(looks):
            # An answer right after a write may be a moment old, so a wrong one is asked for again.
            if number and ports.wait(WAIT_S):
                break
            after = look(ports.source, now.job.owner, now.job.id)
            found = fields_of(after)
            wanted = {
                name: value for name, value in self._change.of(after).items() if name in fields
            }
            left = {
                name for name, value in wanted.items() if not has_come(name, found.get(name), value)
            }
            # Arrived, or overwritten by somebody else: waiting longer would not change either.
            if not left or not _is_untouched(left, now, after):
                break
        return after, left

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    def _ended(self, outcome: Outcome, detail: str, after: JobDocument | None) -> ManualResult:
        job = self._shown.job
        changes = {} if after is None else differences(self._shown, after)
        return ManualResult(job.id, job.owner, outcome, detail, changes, tuple(self._notes))


def _is_untouched(names: set[Field], before: JobDocument, after: JobDocument) -> bool:
    old, new = fields_of(before), fields_of(after)
    return all(is_same(name, old.get(name), new.get(name)) for name in names)


def _on_record(fields: Mapping[Field, object]) -> dict[str, Any]:
    """Return what the journal keeps of the fields sent. Of custom data only the names: a value may
    be a credential.
    """
    record: dict[str, Any] = {name: value for name, value in fields.items()}  # noqa: C416 - its keys become plain texts
    custom = fields.get("custom-data")
    if isinstance(custom, Mapping):
        record["custom-data"] = sorted(custom)
    return record


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
