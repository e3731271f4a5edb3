"""What each named fault does. `BEFORE` answer instead of the API (nothing happens), `AFTER` change what it answered."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sauce_janitor.sandbox.messages import Answer, Effect, Request
from sauce_janitor.sandbox.world import World

Rows = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault may know: the truth, the request, its own settings, how often it fired (this time included)."""

    world: World
    request: Request
    settings: Mapping[str, object]
    fired: int

    def number(self, key: str, default: float) -> float:
        """A number from the settings."""
        value = self.settings.get(key, default)
        if not isinstance(value, int | float):
            raise TypeError(f"{key} is a number, not {value!r}")
        return value

    def text(self, key: str, default: str) -> str:
        """A text from the settings."""
        return str(self.settings.get(key, default))


Before = Callable[[Scene], Answer]
After = Callable[[Scene, Answer], Answer]
BEFORE: dict[str, Before] = {}
AFTER: dict[str, After] = {}
SETTINGS: dict[str, tuple[str, ...]] = {}
"""Every fault's name and the settings it knows."""


def before(*settings: str) -> Callable[[Before], Before]:
    """Registers a fault that answers instead of the API, under its function's name."""

    def register(act: Before) -> Before:
        BEFORE[act.__name__] = act
        SETTINGS[act.__name__] = settings
        return act

    return register


def after(*settings: str) -> Callable[[After], After]:
    """Registers a fault that changes the API's answer, under its function's name."""

    def register(act: After) -> After:
        AFTER[act.__name__] = act
        SETTINGS[act.__name__] = settings
        return act

    return register


# --- instead of an answer ---------------------------------------------------------------------------------------------


@before("status", "body", "retry_after")
def status(scene: Scene) -> Answer:
    """This status (default 503) and nothing done: also a 404 for a job that lives, or a 204 without effect."""
    code = int(scene.number("status", 503))
    headers = {"Retry-After": scene.text("retry_after", "")} if "retry_after" in scene.settings else {}
    body = scene.text("body", "" if code in {204, 304} else json.dumps({"errors": f"injected {code}"}))
    return Answer(code, body.encode(), headers=headers)


@before("status", "body")
def html(scene: Scene) -> Answer:
    """A maintenance page, by default with status 200."""
    page = scene.text("body", "<!doctype html><html><body><h1>Sauce Labs is down for maintenance</h1></body></html>")
    return Answer(int(scene.number("status", 200)), page.encode(), "text/html; charset=utf-8")


@before("to", "status")
def redirect(scene: Scene) -> Answer:
    """A redirect (default 302) to `to`, by default the same path on another host that does not exist."""
    target = scene.text("to", f"http://elsewhere.invalid{scene.request.target}")
    return Answer(int(scene.number("status", 302)), headers={"Location": target}, content_type="text/html")


@before()
def disconnect(_: Scene) -> Answer:
    """The connection closes without an answer, nothing done."""
    answer = Answer(500)
    return replace(answer, wire=replace(answer.wire, is_dropped=True))


# --- done, but said otherwise -----------------------------------------------------------------------------------------


@after("status", "body")
def done_but_status(scene: Scene, answer: Answer) -> Answer:
    """The request takes effect, the answer says 500 (or `status`)."""
    body = scene.text("body", json.dumps({"errors": "Internal Server Error"}))
    return replace(answer, status=int(scene.number("status", 500)), body=body.encode(), content_type="application/json")


@after()
def done_but_disconnected(_: Scene, answer: Answer) -> Answer:
    """The request takes effect, the connection closes without an answer."""
    return replace(answer, wire=replace(answer.wire, is_dropped=True))


@after()
def without_effect(scene: Scene, answer: Answer) -> Answer:
    """The answer of a delete or a stop that worked, but everything is as it was."""
    job_id = answer.effect.job_id
    job = scene.world.job(job_id, even_deleted=True) if job_id is not None else None
    if job is None:
        return answer
    with scene.world.lock:
        if answer.effect.jobs_deleted:
            job.ledger.gone.discard(job.index)
        elif answer.effect.assets:
            job.ledger.stripped.discard(job.index)
        elif answer.effect.stopped:
            job.ledger.patches.pop(job.index, None)
    return replace(answer, effect=Effect(job_id))


# --- on the wire ------------------------------------------------------------------------------------------------------


@after("seconds")
def delay(scene: Scene, answer: Answer) -> Answer:
    """The answer comes late (default 1 s)."""
    return replace(answer, wire=replace(answer.wire, wait_s=scene.number("seconds", 1)))


@after("seconds")
def stall(scene: Scene, answer: Answer) -> Answer:
    """Headers, then silence (default 60 s), then the body."""
    return replace(answer, wire=replace(answer.wire, stall_s=scene.number("seconds", 60)))


@after("bytes_per_second")
def drip(scene: Scene, answer: Answer) -> Answer:
    """The body comes a few bytes at a time (default 10 a second)."""
    return replace(answer, wire=replace(answer.wire, bytes_per_second=scene.number("bytes_per_second", 10)))


@after("share")
def truncated(scene: Scene, answer: Answer) -> Answer:
    """Content-Length promises all, only a share (default half) comes."""
    wire = replace(answer.wire, framing="length", keep_framed=scene.number("share", 0.5))
    return replace(answer, compress=False, wire=wire)


@after("share")
def truncated_chunks(scene: Scene, answer: Answer) -> Answer:
    """A chunked body that breaks off before its end."""
    return replace(answer, wire=replace(answer.wire, framing="chunked", keep_framed=scene.number("share", 0.5)))


@after("share")
def short_gzip(scene: Scene, answer: Answer) -> Answer:
    """Honest framing around a gzip stream that lacks its end."""
    wire = replace(answer.wire, keep_encoded=scene.number("share", 0.5))
    return replace(answer, compress=True, wire=wire)


@after("share")
def short_unframed(scene: Scene, answer: Answer) -> Answer:
    """Neither length nor chunks, and the connection closes too early: it looks complete."""
    wire = replace(answer.wire, framing="close", keep_framed=scene.number("share", 0.5))
    return replace(answer, compress=False, wire=wire)


@after()
def unframed(_: Scene, answer: Answer) -> Answer:
    """Neither length nor chunks, the connection's end is the body's end; complete."""
    return replace(answer, compress=False, wire=replace(answer.wire, framing="close"))


@after("megabytes")
def gzip_bomb(scene: Scene, answer: Answer) -> Answer:
    """A small body that unpacks to many megabytes (default 200)."""
    packed = gzip.compress(bytes(int(scene.number("megabytes", 200)) << 20), 9, mtime=0)
    return replace(answer, body=packed, compress=False, headers={**answer.headers, "Content-Encoding": "gzip"})


@after("kilobytes")
def big_header(scene: Scene, answer: Answer) -> Answer:
    """One header of many kilobytes (default 200)."""
    return replace(answer, headers={**answer.headers, "X-Padding": "x" * (int(scene.number("kilobytes", 200)) << 10)})


@after("seconds")
def clock_skew(scene: Scene, answer: Answer) -> Answer:
    """The Date header is wrong by so many seconds (default 3600)."""
    return replace(answer, wire=replace(answer.wire, date_shift_s=scene.number("seconds", 3600)))


# --- in the content ---------------------------------------------------------------------------------------------------


@after("at")
def flipped_byte(scene: Scene, answer: Answer) -> Answer:
    """One byte of the body is another, its length is right."""
    if not answer.body:
        return answer
    place = int(scene.number("at", len(answer.body) // 2)) % len(answer.body)
    changed = bytes((answer.body[place] ^ 0xFF,))
    return replace(answer, body=answer.body[:place] + changed + answer.body[place + 1 :])


@after("text")
def trailing_garbage(scene: Scene, answer: Answer) -> Answer:
    """Something follows the end of the document."""
    return replace(answer, body=answer.body + scene.text("text", "]}<!-- -->").encode())


@after("depth")
def deep_json(scene: Scene, answer: Answer) -> Answer:
    """Brackets in brackets, 20,000 deep by default."""
    depth = int(scene.number("depth", 20_000))
    return replace(answer, body=b"[" * depth + b"]" * depth)


@after()
def empty_list(_: Scene, answer: Answer) -> Answer:
    """A list without a row."""
    return _with_rows(answer, lambda _rows: [])


@after("share")
def short_page(scene: Scene, answer: Answer) -> Answer:
    """Only the first share (default half) of a page's rows."""
    return _with_rows(answer, lambda rows: rows[: int(len(rows) * scene.number("share", 0.5))])


@after()
def duplicate_rows(_: Scene, answer: Answer) -> Answer:
    """Every row twice."""
    return _with_rows(answer, lambda rows: [row for row in rows for _ in range(2)])


@after()
def not_a_list(_: Scene, answer: Answer) -> Answer:
    """An object with an error where a list should be, with status 200."""
    return replace(answer, body=json.dumps({"errors": "Something went wrong"}).encode())


@after("set", "drop", "row")
def lie(scene: Scene, answer: Answer) -> Answer:
    """Fields are `set` or dropped in a document, or in every row of a list (or only in `row`, counted from 0)."""
    wanted, dropped = scene.settings.get("set", {}), scene.settings.get("drop", ())
    if not isinstance(wanted, Mapping) or not isinstance(dropped, list | tuple):
        raise TypeError("lie: `set` is a mapping and `drop` a list")

    def told(row: dict[str, object]) -> dict[str, object]:
        return {key: value for key, value in {**row, **wanted}.items() if key not in dropped}

    only = scene.settings.get("row")
    return _with_rows(
        answer, lambda rows: [told(row) if only in {None, place} else row for place, row in enumerate(rows)]
    )


@after("names")
def hostile_assets(scene: Scene, answer: Answer) -> Answer:
    """The asset list names more files, as an uploader could have called them."""
    names = scene.settings.get("names", HOSTILE_NAMES)
    if not isinstance(names, list | tuple):
        raise TypeError("hostile_assets: `names` is a list")
    return _with_rows(answer, lambda rows: [{**row, **{str(name): name for name in names}} for row in rows])


HOSTILE_NAMES = (
    "../../x", "/etc/x", "a\0b", "x" * 5000, "CON", "trailing.", ".hidden", "VIDEO.MP4", "receipt.json", "\u202egnp.exe",
)  # fmt: skip


def _with_rows(answer: Answer, change: Callable[[Rows], Rows]) -> Answer:
    """The answer with the rows of its list changed; a single document counts as a list of one."""
    try:
        content = json.loads(answer.body)
    except ValueError:
        return answer
    if answer.status != 200:
        return answer
    key = next((key for key in ("jobs", "builds", "results") if _is_rows(content, key)), None)
    if key is not None:
        content = {**content, key: change(content[key])}
    elif isinstance(content, list):
        content = change(content) if all(isinstance(row, dict) for row in content) else content
    else:
        content = next(iter(change([content])), {})
    return replace(answer, body=json.dumps(content).encode())


def _is_rows(content: object, key: str) -> bool:
    return isinstance(content, dict) and isinstance(content.get(key), list)
