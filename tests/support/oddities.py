"""Every way in which an answer can be odd, as entries of a `--faults` file, and what the program
must make of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

Fault: TypeAlias = Mapping[str, Any]
Ending: TypeAlias = Literal["goes", "stays", "refused"]

NOISE, COPIED, STRIPPED, HERS = "NOISE", "COPIED", "STRIPPED", "HERS"
"""The kinds of jobs, see `faulted_account.py`; in a fault each stands for one job of the kind."""
LIST, DETAILS, ASSETS, FILE, LOOK_UP = (
    "jobs.list",
    "job.get",
    "assets.list",
    "asset.get",
    "jobs.lookup",
)
DELETE = "job.delete"


@dataclass(frozen=True, slots=True)
class Oddity:
    """One of them, and how a run ends with it: everything due `goes`; what it is about `stays` and
    the rest goes; or it is `refused`: no write is sent at all.

    `code` is the exit code. `of`: the kinds of which one job stays; `every`: all of these. `later`:
    the oddity begins when the account has been listed once.
    """

    name: str
    faults: tuple[Fault, ...]
    ending: Ending
    code: int
    of: str = ""
    every: bool = False
    later: bool = False

    @property
    def is_slow(self) -> bool:
        """Whether something is waited for that does not come."""
        return any(fault["fault"] in {"stall", "drip"} for fault in self.faults)


def goes(name: str, fault: str, *, code: int = 0, **settings: Any) -> Oddity:
    """Everything due is done."""
    return Oddity(name, ({"fault": fault, **settings},), "goes", code)


def refused(
    name: str, fault: str, *, code: int = 4, later: bool = False, **settings: Any
) -> Oddity:
    """No write is sent."""
    return Oddity(name, ({"fault": fault, **settings},), "refused", code, later=later)


def stays(
    name: str, fault: str, endpoint: str, *, of: str = COPIED, code: int = 4, **settings: Any
) -> Oddity:
    """The one job that the fault is about stays as it is."""
    return Oddity(
        name, ({"fault": fault, "endpoint": endpoint, "job": of, **settings},), "stays", code, of
    )


def stays_everywhere(
    name: str, fault: str, *, code: int = 0, later: bool = False, **settings: Any
) -> Oddity:
    """The same lie about one job in lists, look-ups and details: it stays."""
    told = (
        {"fault": fault, "endpoint": place, "only": COPIED, **settings}
        for place in ("jobs.*", DETAILS)
    )
    return Oddity(name, tuple(told), "stays", code, COPIED, later=later)


ODDITIES = (
    # --- who and which
    stays_everywhere("a foreign owner", "foreign_owner", later=True),
    stays("a foreign owner in the details alone", "foreign_owner", DETAILS),
    stays_everywhere("a wrong id", "wrong_id", code=4),
    stays("a wrong id in the details alone", "wrong_id", DETAILS),
    stays_everywhere("an empty id", "empty_id", later=True),
    stays_everywhere("no id at all", "lie", drop=["id"], later=True),
    goes("an owner in other letters' case", "foreign_owner", endpoint="job*", owner="Demo"),
    goes("duplicate rows", "duplicate_rows"),
    goes("duplicate rows in a look-up", "duplicate_rows", endpoint=LOOK_UP),
    # --- values
    refused("milliseconds for seconds", "milliseconds", code=0),
    stays("milliseconds in the details alone", "milliseconds", DETAILS, code=0),
    goes("strings for numbers", "times_as_text"),
    refused("NaN", "nan"),
    stays_everywhere("NaN in one row", "nan", later=True),
    *(
        stays_everywhere(f"{named} in one row", "bad_row", kind=kind, later=True)
        for named, kind in (
            ("a number too large", "exponent"),
            ("2,000 levels", "deep"),
            ("an integer of 5,000 digits", "integer"),
            ("a key twice", "duplicate_key"),
            ("a byte that is no text", "utf8"),
        )
    ),
    replace(stays_everywhere("NaN in one row of a first listing", "nan"), ending="refused", code=4),
    stays("NaN in the details alone", "nan", DETAILS),
    stays_everywhere("null", "nulls"),
    stays_everywhere(
        "values of another type", "lie", set={"status": 7, "tags": "x", "build": ["PR-1"]}
    ),
    # --- texts
    refused("JSON 20,000 deep", "deep_json", endpoint=LIST),
    stays("JSON 20,000 deep in the details", "deep_json", DETAILS),
    refused("trailing garbage", "trailing_garbage", endpoint=LIST),
    stays("trailing garbage after the details", "trailing_garbage", DETAILS),
    refused("another byte", "flipped_byte", endpoint=LIST, at=0),
    refused("a page of HTML", "html", endpoint=LIST),
    stays("a page of HTML for an asset", "html", FILE),
    stays("a page of HTML for a log alone", "html", FILE, path="*.log"),
    stays("an error message for an asset, with status 200", "status", FILE, status=200),
    goes("files that were cut before they came to Sauce Labs", "cut_at_source", endpoint=FILE),
    goes("files of another kind than their names say", "other_kind", endpoint=FILE),
    goes("a `screenshots.zip` of other pictures", "other_pictures", endpoint=FILE),
    goes("a coding that compresses nothing", "void_coding", endpoint=FILE),
    # --- lists
    refused("a list that is an object", "not_a_list", endpoint=LIST),
    stays("an asset list that is an error", "not_a_list", ASSETS),
    Oddity(
        "the same page again",
        ({"fault": "capped_page", "limit": 10}, {"fault": "same_page"}),
        "refused",
        4,
    ),
    goes("a lower limit than asked for", "capped_page", limit=10),
    goes("rows without details", "short_rows", endpoint=LIST),
    refused("a short page", "short_page", endpoint=LIST, share=0.4, later=True),
    refused("an empty list at first", "empty_list", endpoint=LIST, times=1, code=0),
    refused("an empty list where there were jobs", "empty_list", endpoint=LIST, later=True),
    goes("an empty asset list, once", "empty_list", endpoint=ASSETS, times=1),
    Oddity(
        "empty asset lists of all jobs",
        ({"fault": "empty_list", "endpoint": ASSETS},),
        "stays",
        0,
        f"{COPIED} {STRIPPED}",
        every=True,
    ),
    stays("hostile names of assets", "hostile_assets", ASSETS),
    stays("a listed file that is not there", "ghost_file", ASSETS),
    # --- what is answered is not what is done
    stays("a 404 for a job that is there", "status", DETAILS, status=404),
    Oddity(
        "a 404 for every job that the list shows",
        (
            {"fault": "status", "endpoint": DETAILS, "status": 404},
            {"fault": "empty_list", "endpoint": LOOK_UP},
        ),
        "stays",
        4,
        f"{NOISE} {COPIED} {STRIPPED}",
        every=True,
    ),
    goes("a 404 for a job that is there, once", "status", endpoint=DETAILS, status=404, times=1),
    refused("a 404 for the list", "status", endpoint=LIST, status=404),
    stays("a 404 for an asset list", "status", ASSETS, status=404),
    goes(
        "one address of a delete that is not there",
        "status",
        endpoint=DELETE,
        path="/rest/v1/*",
        status=404,
    ),
    goes(
        "one address of a delete that is gone",
        "status",
        endpoint=DELETE,
        path="/rest/v1/*",
        status=410,
    ),
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
    goes(
        "a second delete that answers 400", "done_but_status", endpoint="assets.delete", status=400
    ),
    goes("an asset that comes late", "late_asset", endpoint=FILE, job=COPIED, times=1),
    stays("an edit that comes late", "late_edit", FILE, code=0, times=1),
    # --- the way
    refused("clocks that differ", "clock_skew", seconds=4000, code=3),
    # details and look-ups: whichever of them the first delete rests on
    refused("clocks that begin to differ", "clock_skew", seconds=-4000, endpoint="job*.[gl][eo]*"),
    goes("pages that are too large", "heavy_rows", endpoint=LIST, kilobytes=1400),
    goes("a gateway that gives up on more than 100 rows", "strained", endpoint=LIST, above=100),
    refused("a gzip bomb", "gzip_bomb", endpoint=LIST, megabytes=80),
    stays("a gzip bomb for an asset", "gzip_bomb", FILE, megabytes=80),
    refused("a body without end", "endless", endpoint=LIST, megabytes=200),
    refused("a header of 200 kB", "big_header", endpoint=LIST),
    goes("a late answer", "delay", seconds=0.05, endpoint=LIST),
    refused("a stalled answer", "stall", endpoint=LIST),
    stays("a stalled asset", "stall", FILE),
    refused("a dripping answer", "drip", endpoint=LIST),
    stays("a dripping asset", "drip", FILE, bytes_per_second=1100),
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
    stays(
        "a redirect of a delete to another job",
        "redirect_to_another_job",
        DELETE,
        of=NOISE,
        status=307,
    ),
)

USERS = "users.list"
PATH = {"name": "../../demo", "count": 1}
_REFUSED = {"fault": "status", "path": "/team-management/*", "status": 403}
"""Who there is has to be asked of Insights then."""


def without_users(name: str, fault: str, ending: Ending, code: int, **settings: Any) -> Oddity:
    """The oddity is Insights', which is asked where team management is forbidden."""
    return Oddity(
        name, (_REFUSED, {"fault": fault, "endpoint": "insights.*", **settings}), ending, code, HERS
    )


ODDITIES_OF_PEOPLE = (
    goes("users: an object", "not_a_list", endpoint=USERS, code=4),
    goes("users: nobody, of four", "empty_list", endpoint=USERS, code=4),
    goes("users: a short page", "short_page", endpoint=USERS, code=4),
    goes("users: duplicate rows", "duplicate_rows", endpoint=USERS),
    Oddity(
        "users: the same page again",
        (
            {"fault": "capped_page", "limit": 1, "endpoint": USERS},
            {"fault": "same_page", "endpoint": USERS},
        ),
        "goes",
        4,
    ),
    goes("users: a lower limit than asked for", "capped_page", endpoint=USERS, limit=1),
    goes("users: JSON 20,000 deep", "deep_json", endpoint=USERS, code=4),
    goes("users: trailing garbage", "trailing_garbage", endpoint=USERS, code=4),
    goes("users: a page of HTML", "html", endpoint=USERS, code=4),
    goes("users: 404", "status", endpoint=USERS, status=404),
    goes("users: a gzip bomb", "gzip_bomb", endpoint=USERS, megabytes=80, code=4),
    goes("users: a header of 200 kB", "big_header", endpoint=USERS, code=4),
    goes("users: a redirect to another host", "redirect", endpoint=USERS, code=4),
    goes("users: a stalled answer", "stall", endpoint=USERS, times=1, code=4),
    goes("users: a name that is empty", "lie", endpoint=USERS, row=1, set={"username": ""}, code=4),
    goes(
        "users: a name that is a number", "lie", endpoint=USERS, row=1, set={"username": 7}, code=4
    ),
    goes(
        "users: a name that is a path",
        "lie",
        endpoint=USERS,
        row=1,
        set={"username": "../../demo"},
        code=4,
    ),
    Oddity(
        "users: a stranger in somebody's place",
        ({"fault": "lie", "endpoint": USERS, "row": 1, "set": {"username": "mallory"}},),
        "stays",
        4,
        HERS,
        every=True,
    ),
    without_users("Insights: milliseconds", "milliseconds", "goes", 0),
    without_users("Insights: duplicate rows", "duplicate_rows", "goes", 0),
    without_users("Insights: no buckets", "empty_list", "goes", 0),
    without_users("Insights: an object", "not_a_list", "refused", 4),
    without_users("Insights: NaN", "nan", "refused", 4),
    without_users("Insights: JSON 20,000 deep", "deep_json", "refused", 4),
    without_users(
        "Insights: an owner that is a path", "lie", "goes", 4, set={"aggs": {"owner": [PATH]}}
    ),
)
"""The same account, of the whole organization: a second user's jobs are due too, if it is found out
that she is in it.
"""
