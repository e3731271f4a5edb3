"""Verifies one twentieth of an account's archive a day, another part each day, for the daemon."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

import structlog

from sauce_janitor.archive import Catalogue, Proof
from sauce_janitor.archive.verify import JobSampleShare
from sauce_janitor.config import Account
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.operations.records.last_runs import daily_scope, show_verification
from sauce_janitor.operations.records.repeats import RepeatedEvents
from sauce_janitor.operations.verify import Verified, VerifyContext, VerifyScope, verify
from sauce_janitor.operations.wiring.run_settings import RunContext

DAILY_SHARE: Final = 0.05
"""After twenty days, every stored byte was read once."""


def verify_daily(account: Account, context: RunContext, *, share: float = DAILY_SHARE) -> Verified:
    """Verify another share of an account's archive each day, for the daemon; report to the log and
    the metrics.

    Raise ArchiveError when the archive is missing, and StateError.
    """
    log = structlog.get_logger().bind(account=account.name)
    path, state = context.config.archive.location, context.state
    sample = JobSampleShare.of(share, int(context.clock()) // DAY_S)
    known = state.identity.archive_uuid(str(path))
    repeats = RepeatedEvents()
    with ExitStack() as stack:
        stack.callback(repeats.conclude, log)
        catalogue = stack.enter_context(Catalogue.open(path, known_uuid=known))

        def on_proof(proof: Proof) -> None:
            for finding in proof.findings:
                repeats.error(
                    log,
                    "archive.damaged",
                    example=finding.place,
                    place=finding.place,
                    file=finding.file,
                    damage=finding.damage.value,
                    detail=finding.detail,
                )

        trusted = context.config.archive.trust_read_back_s is not None
        verify_context = VerifyContext(
            catalogue, state, context.stop, on_proof, context.clock, workers=1, remembers=trusted
        )
        done = verify(VerifyScope(account=account.name, sample=sample), verify_context)
    if done.complete:
        verified = {"findings": len(done.findings), "at": int(context.clock())}
        # After a restart, or at another worker, the gauges are set from this.
        state.verifications.keep(daily_scope(account.name), verified)
        show_verification(context.metrics, account.name, verified)
    log.info(
        "archive.verified",
        jobs=done.jobs,
        files=done.files,
        size_bytes=done.size_bytes,
        share=share,
        findings=len(done.findings),
        complete=done.complete,
    )
    return done
