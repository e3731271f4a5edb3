"""A million jobs start at once and cost no memory."""

from __future__ import annotations

import tracemalloc

from tests.support.sandbox import Call, Start


def test_a_million_jobs_fit_in_a_few_megabytes(start: Start, call: Call) -> None:
    tracemalloc.start()
    try:
        sandbox = start(jobs=1_000_000)
        ask = call(sandbox)
        first = ask.get("/rest/v1/demo/jobs?limit=500&full=true").json()
        last = ask.get("/rest/v1/demo/jobs?limit=500&skip=999900").json()
        window = ask.get(f"/rest/v1/demo/jobs?limit=500&to={last[0]['creation_time']}").json()
        builds = ask.get("/v2/builds/vdc/?limit=100").json()["builds"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (len(first), len(last), len(builds)) == (500, 100, 100)
    assert len(window) >= 100
    assert peak < 32 << 20


def test_a_hundred_thousand_deletions_stay_sparse_and_exact(start: Start, call: Call) -> None:
    sandbox = start(jobs=1_000_000)
    ledger = sandbox.world.ledgers[0]
    tracemalloc.start()
    try:
        for index in range(0, 1_000_000, 10):
            ledger.gone.add(index)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    ask = call(sandbox)

    assert peak < 8 << 20
    assert ledger.live == 900_000
    assert len(ask.get("/rest/v1/demo/jobs?limit=500&skip=899990").json()) == 10
    assert ask.get("/rest/v1/demo/jobs?skip=900000").json() == []


def test_deleting_everything_is_one_step_however_much_it_is(start: Start, call: Call) -> None:
    sandbox = start(jobs=1_000_000)
    ask = call(sandbox)

    assert ask("DELETE", "/rest/v1.1/demo/jobs").status_code == 204
    assert (sandbox.log[-1].jobs_deleted, ask.get("/rest/v1/demo/jobs").json()) == (1_000_000, [])


def test_no_jobs_at_all_is_a_world_too(start: Start, call: Call) -> None:
    ask = call(start(jobs=0))

    assert ask.get("/rest/v1/demo/jobs").json() == []
    assert ask.get("/v2/builds/vdc/").json() == {"builds": []}
    assert len(ask.get("/rest/v1/alice/jobs").json()) == 5
