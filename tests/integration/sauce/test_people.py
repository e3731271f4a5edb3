"""Who is in an organization, whatever part of the answer is refused, broken or not there."""

from __future__ import annotations

from typing import Any

import pytest

from sauce_janitor.errors import CredentialsError, ForbiddenError, SourceError
from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.sauce.people import Organization
from tests.fakes.vendor import Reply, Vendor, json_reply, reply

USERS, SERVICES = "/team-management/v1/users", "/team-management/v1/service-accounts"
TRENDS, TESTS = "/v1/analytics/trends/tests", "/v1/analytics/tests"
INACTIVE = f"{USERS}?status=inactive&limit=100&offset=0"
NOW = 1_600_000_000
FORBIDDEN = json_reply({"detail": "You do not have permission to perform this action."}, 403)
NOBODY = json_reply({"links": {"next": None}, "count": 0, "results": []})


def _people(*names: Any, count: int | None = None, more: bool = False) -> Reply:
    rows = [{"username": name} for name in names]
    return json_reply(
        {
            "links": {"next": "x" if more else None},
            "count": len(rows) if count is None else count,
            "results": rows,
        }
    )


def _day(count: int, *owners: tuple[str, int]) -> dict[str, Any]:
    named = [{"name": name, "count": number} for name, number in owners]
    return {"timestamp": "2020-09-10T00:00:00.000Z", "count": count, "aggs": {"owner": named}}


def _trends(*days: dict[str, Any], **totals: int) -> Reply:
    return json_reply({"buckets": list(days), "metrics": {"owner": totals}})


def _organization(reader: SauceReader) -> Organization:
    return reader.people.organization(now=NOW)


@pytest.fixture
def vendor(vendor: Vendor) -> Vendor:
    """One with a user, one who left, a service account, and somebody whom only Insights knows."""
    vendor.on(USERS, _people("zoe"))
    vendor.on(INACTIVE, _people("bob"))
    vendor.on(SERVICES, _people("ci-bot"))
    vendor.on(TRENDS, _trends(_day(2, ("zoe", 1), ("guest", 1)), zoe=1, guest=1))
    return vendor


def test_users_who_left_and_service_accounts_belong_to_it(
    vendor: Vendor, reader: SauceReader
) -> None:
    assert _organization(reader) == Organization(("bob", "ci-bot", "zoe"), "by team management")  # type: ignore[arg-type]
    assert len(vendor.seen) == 3, "and Insights is not asked"


def test_all_pages_are_read_by_offset_wherever_the_links_lead(
    vendor: Vendor, reader: SauceReader
) -> None:
    for offset, names, more in ((0, ("a", "b"), True), (2, ("c",), False)):
        vendor.on(f"{USERS}?limit=100&offset={offset}", _people(*names, count=3, more=more))
    assert _organization(reader).owners == ("a", "b", "bob", "c", "ci-bot")


def test_names_that_need_percent_encoding_are_taken_as_they_are(
    vendor: Vendor, reader: SauceReader
) -> None:
    vendor.on(USERS, _people("sso-shop-jane.doe", "jörg weiß", "50%off"))
    assert {"sso-shop-jane.doe", "jörg weiß", "50%off"} <= set(_organization(reader).owners)


def test_who_may_not_list_users_goes_by_insights(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(USERS, FORBIDDEN)
    vendor.on(SERVICES, FORBIDDEN)
    found = _organization(reader)
    assert (found.owners, found.gaps) == (("guest", "zoe"), ())
    assert "Insights" in found.how
    assert "30 days" in found.how


def test_service_accounts_that_are_not_offered_are_none(
    vendor: Vendor, reader: SauceReader
) -> None:
    vendor.on(SERVICES, json_reply({"detail": "Not found."}, 404))
    assert _organization(reader) == Organization(("bob", "zoe"), "by team management")  # type: ignore[arg-type]


def test_service_accounts_that_may_not_be_listed_are_looked_for_by_insights(
    vendor: Vendor, reader: SauceReader
) -> None:
    vendor.on(SERVICES, FORBIDDEN)
    found = _organization(reader)
    assert (found.owners, found.gaps) == (("bob", "guest", "zoe"), ())
    vendor.on(TRENDS, FORBIDDEN)
    found = _organization(reader)
    assert found.owners == ("bob", "zoe")
    assert "service accounts" in found.gaps[0]


def test_when_neither_may_be_asked_nobody_is_guessed(vendor: Vendor, reader: SauceReader) -> None:
    for path in (USERS, SERVICES, TRENDS):
        vendor.on(path, FORBIDDEN)
    with pytest.raises(
        ForbiddenError,
        match=r"the members of the organization cannot be listed.*403.*list their names under `users`",
    ):
        _organization(reader)


def test_when_neither_answers_nobody_is_guessed(vendor: Vendor, reader: SauceReader) -> None:
    for path in (USERS, INACTIVE, SERVICES, TRENDS):
        vendor.on(path, reply(b"", 502))
    with pytest.raises(SourceError, match="502"):
        _organization(reader)


def test_an_organization_of_nobody_is_not_believed(vendor: Vendor, reader: SauceReader) -> None:
    for path in (USERS, INACTIVE, SERVICES):
        vendor.on(path, NOBODY)
    vendor.on(TRENDS, _trends())
    with pytest.raises(SourceError, match="no answer names anybody"):
        _organization(reader)


def test_wrong_credentials_end_it_at_once(vendor: Vendor, reader: SauceReader) -> None:
    vendor.on(USERS, json_reply({"detail": "Invalid credentials"}, 401))
    with pytest.raises(CredentialsError):
        _organization(reader)
    assert len(vendor.seen) == 1


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (reply(b"", 502), "502"),
        (json_reply({"results": {"0": "c"}}), "list of results"),
        (_people("a", count=3, more=True), "same page"),
        (_people(count=3), "lists 1"),
        (_people("c", {"no": "name"}, count=3), "cannot be read"),
    ],
)
def test_a_list_that_breaks_off_is_never_taken_for_the_whole(
    vendor: Vendor, reader: SauceReader, second: Reply, said: str
) -> None:
    vendor.on(f"{USERS}?limit=100&offset=0", _people("a", count=3, more=True))
    vendor.on(f"{USERS}?limit=100&offset=1", second)
    found = _organization(reader)
    assert {"a", "bob", "ci-bot", "guest", "zoe"} <= set(found.owners), (
        "what else can be had is had"
    )
    assert said in " ".join(found.gaps)


def test_a_day_whose_owners_do_not_add_up_is_read_test_by_test(
    vendor: Vendor, reader: SauceReader
) -> None:
    vendor.on(USERS, FORBIDDEN)
    vendor.on(TRENDS, _trends(_day(5, ("zoe", 1), ("guest", 1)), zoe=1))
    vendor.on(TESTS, json_reply({"items": [{"id": "1", "owner": "rare"}], "has_more": False}))
    assert _organization(reader).owners == ("ci-bot", "guest", "rare", "zoe")
    assert "start=2020-09-10T00%3A00%3A00Z&end=2020-09-11T00%3A00%3A00Z" in vendor.seen[-1].target


@pytest.mark.parametrize("owner", [None, "", "a/b", 7, "\ud800x/"])
def test_an_owner_that_cannot_be_one_leaves_a_gap(
    vendor: Vendor, reader: SauceReader, owner: object
) -> None:
    vendor.on(USERS, FORBIDDEN)
    vendor.on(TRENDS, _trends(_day(2, ("zoe", 1)), zoe=1))
    vendor.on(TESTS, json_reply({"items": [{"id": "1", "owner": owner}], "has_more": False}))
    found = _organization(reader)
    assert "zoe" in found.owners
    assert "owner" in found.gaps[0]
