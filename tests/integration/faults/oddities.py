"""Every way in which an answer can be odd, as entries of a `--faults` file, and what the program must make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Fault: TypeAlias = Mapping[str, Any]
Ending: TypeAlias = Literal["goes", "stays", "refused"]

NOISE, COPIED, STRIPPED = "NOISE", "COPIED", "STRIPPED"
"""The kinds of jobs, see `conftest.py`; in a fault each stands for one job of the kind."""
LIST, DETAILS, ASSETS, FILE, LOOK_UP = "jobs.list", "job.get", "assets.list", "asset.get", "jobs.lookup"
DELETE = "job.delete"


@dataclass(frozen=True, slots=True)
class Oddity:
    """One of them, and how a run ends with it: everything due `goes`; what it is about `stays` and the rest goes; or it is
    `refused`: no write is sent at all.

    `code` is the exit code. `of`: the kind whose one job stays; `every`: all of that kind. `later`: the oddity begins when the
    account has been listed once.
    """

    name: str
    faults: tuple[Fault, ...]
    ending: Ending
    code: int
    of: str = ""
    every: bool = False
    later: bool = False


def goes(name: str, fault: str, **settings: Any) -> Oddity:
    """Everything due is done."""
    return Oddity(name, ({"fault": fault, **settings},), "goes", 0)


def refused(name: str, fault: str, *, code: int = 4, later: bool = False, **settings: Any) -> Oddity:
    """No write is sent."""
    return Oddity(name, ({"fault": fault, **settings},), "refused", code, later=later)


def stays(name: str, fault: str, endpoint: str, *, of: str = COPIED, code: int = 4, **settings: Any) -> Oddity:
    """The one job that the fault is about stays as it is."""
    return Oddity(name, ({"fault": fault, "endpoint": endpoint, "job": of, **settings},), "stays", code, of)


def stays_everywhere(name: str, fault: str, *, code: int = 0, **settings: Any) -> Oddity:
    """The same lie about one job in lists, look-ups and details: it stays."""
    told = ({"fault": fault, "endpoint": place, "only": COPIED, **settings} for place in ("jobs.*", DETAILS))
    return Oddity(name, tuple(told), "stays", code, COPIED)


ODDITIES = (
    # --- who and which
    stays_everywhere("a foreign owner", "foreign_owner"),
    stays("a foreign owner in the details alone", "foreign_owner", DETAILS),
    stays_everywhere("a wrong id", "wrong_id", code=4),
    stays("a wrong id in the details alone", "wrong_id", DETAILS),
    stays_everywhere("an empty id", "empty_id"),
    stays_everywhere("no id at all", "lie", drop=["id"]),
    goes("duplicate rows", "duplicate_rows"),
    goes("duplicate rows in a look-up", "duplicate_rows", endpoint=LOOK_UP),
    # --- values
    refused("milliseconds for seconds", "milliseconds", code=0),
    stays("milliseconds in the details alone", "milliseconds", DETAILS, code=0),
    goes("strings for numbers", "times_as_text"),
    refused("NaN", "nan"),
    stays("NaN in the details alone", "nan", DETAILS),
    stays_everywhere("null", "nulls"),
    stays_everywhere("values of another type", "lie", set={"status": 7, "tags": "x", "build": ["PR-1"]}),
    # --- texts
    refused("JSON 20,000 deep", "deep_json", endpoint=LIST),
    stays("JSON 20,000 deep in the details", "deep_json", DETAILS),
    refused("trailing garbage", "trailing_garbage", endpoint=LIST),
    stays("trailing garbage after the details", "trailing_garbage", DETAILS),
    refused("another byte", "flipped_byte", endpoint=LIST, at=0),
    refused("a page of HTML", "html", endpoint=LIST),
    stays("a page of HTML for an asset", "html", FILE),
    # --- lists
    refused("a list that is an object", "not_a_list", endpoint=LIST),
    stays("an asset list that is an error", "not_a_list", ASSETS),
    Oddity("the same page again", ({"fault": "capped_page", "limit": 10}, {"fault": "same_page"}), "refused", 4),
    goes("a lower limit than asked for", "capped_page", limit=10),
    refused("a short page", "short_page", endpoint=LIST, share=0.4, later=True),
    refused("an empty list where there were jobs", "empty_list", endpoint=LIST, later=True),
    goes("an empty asset list, once", "empty_list", endpoint=ASSETS, times=1),
    stays("hostile names of assets", "hostile_assets", ASSETS),
    # --- what is answered is not what is done
    stays("a 404 for a job that is there", "status", DETAILS, status=404, code=0),
    goes("a 404 for a job that is there, once", "status", endpoint=DETAILS, status=404, times=1),
    refused("a 404 for the list", "status", endpoint=LIST, status=404),
    stays("a 404 for an asset list", "status", ASSETS, status=404),
    stays("a 404 for a delete that did nothing", "status", DELETE, of=NOISE, status=404),
    stays("success without effect", "without_effect", DELETE, of=NOISE),
    Oddity(
        "success without effect on assets",
        ({"fault": "without_effect", "endpoint": "assets.delete"},),
        "stays",
        4,
        STRIPPED,
        every=True,
    ),
    goes("a 500 although done", "done_but_status", method="DELETE"),
    goes("no answer although done", "done_but_disconnected", method="DELETE"),
    stays("no answer and nothing done", "disconnect", DELETE, of=NOISE),
    goes("a second delete that answers 400", "done_but_status", endpoint="assets.delete", status=400),
    goes("an asset that comes late", "late_asset", endpoint=FILE, job=COPIED, times=1),
    stays("an edit that comes late", "late_edit", FILE, code=0, times=1),
    # --- the way
    refused("clocks that differ", "clock_skew", seconds=4000, code=3),
    refused("clocks that begin to differ", "clock_skew", seconds=-4000, endpoint=DETAILS),
    refused("a gzip bomb", "gzip_bomb", endpoint=LIST, megabytes=80),
    stays("a gzip bomb for an asset", "gzip_bomb", FILE, megabytes=80),
    refused("a body without end", "endless", endpoint=LIST, megabytes=200),
    refused("a header of 200 kB", "big_header", endpoint=LIST),
    goes("a late answer", "delay", seconds=0.05, endpoint=LIST),
    refused("a stalled answer", "stall", endpoint=LIST),
    stays("a stalled asset", "stall", FILE),
    refused("a dripping answer", "drip", endpoint=LIST),
    stays("a dripping asset", "drip", FILE, bytes_per_second=2000),
    refused("a body cut short", "truncated", endpoint=LIST),
    stays("chunks cut short", "truncated_chunks", FILE),
    stays("a gzip stream without its end", "short_gzip", FILE),
    stays("a body without length or end, cut short", "short_unframed", FILE),
    goes("a body without length or end", "unframed", endpoint=FILE),
    refused("a redirect of the list to another host", "redirect", endpoint=LIST),
    stays("a redirect of an asset to another host", "redirect", FILE),
    stays("a redirect of a delete to another host", "redirect", DELETE, of=NOISE, status=307),
    stays("a redirect of the details to another job", "redirect_to_another_job", DETAILS),
    stays("a redirect of an asset to another job", "redirect_to_another_job", FILE),
    stays("a redirect of a delete to another job", "redirect_to_another_job", DELETE, of=NOISE, status=307),
)
