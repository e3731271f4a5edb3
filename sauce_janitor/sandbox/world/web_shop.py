"""The tests of the sandbox's web shop, their platforms and error messages. Plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShopTest:
    """One test that runs in every wave. A flaky one fails sometimes. `tags` are its suite's."""

    name: str
    suite: str
    tags: tuple[str, ...]
    is_flaky: bool


def _suite(suite: str, tags: tuple[str, ...], *names: str) -> tuple[ShopTest, ...]:
    return tuple(
        ShopTest(
            f"{suite}: {name.rstrip('~')}",
            suite,
            (*tags, f"suite:{suite}"),
            is_flaky=name.endswith("~"),
        )
        for name in names
    )


TESTS = (
    *_suite(
        "login",
        ("smoke", "e2e"),
        "with password",
        "with a wrong password",
        "single sign-on~",
        "forgotten password",
    ),
    *_suite(
        "search",
        ("smoke", "e2e"),
        "by name",
        "by category",
        "no results",
        "suggestions while typing~",
    ),
    *_suite("cart", ("e2e",), "add and remove", "keeps its content", "coupon", "out of stock~"),
    *_suite(
        "checkout",
        ("e2e", "pii"),
        "guest pays by card",
        "known customer",
        "address is checked",
        "pays by invoice~",
    ),
    *_suite("account", ("e2e", "pii"), "change of address", "order history", "delete my data"),
    *_suite(
        "admin", (), "stock is corrected", "refund", "Zahlungsübersicht für März", "export as CSV~"
    ),
    *_suite("layout", ("visual",), "home page", "product page", "dark mode", "right to left"),
)


@dataclass(frozen=True, slots=True)
class Platform:
    """One browser on one system, by the API's names; `versions` from old to new."""

    os: str
    browser: str
    api_name: str
    platform: str
    versions: tuple[str, ...]


CHROME = ("126.0.6478.127", "127.0.6533.89", "128.0.6613.120", "129.0.6668.59")
DESKTOPS = (
    Platform("Windows 10", "googlechrome", "chrome", "Windows 10", CHROME),
    Platform("Windows 11", "googlechrome", "chrome", "Windows 11", CHROME),
    Platform(
        "Windows 11",
        "microsoftedge",
        "MicrosoftEdge",
        "Windows 11",
        ("126.0.2592.87", "128.0.2739.67"),
    ),
    Platform(
        "Windows 10", "firefox", "firefox", "Windows 10", ("127.0", "128.0", "129.0", "130.0")
    ),
    Platform("Mac 13", "safari", "safari", "macOS 13", ("17.5", "17.6")),
    Platform("Linux", "googlechrome", "chrome", "Linux", CHROME),
)
EMULATORS = (
    Platform("Linux", "android", "Chrome", "Android", ("13.0", "14.0")),
    Platform("Mac 13", "iphone", "Safari", "iOS", ("16.2", "17.0")),
)
RUNNER = Platform("Windows 11", "googlechrome", "chrome", "Windows 11", CHROME)

ERRORS = (
    "Test did not see a new command for 90 seconds. Timing out.",
    "User Abandoned Test -- User terminated",
    "Internal Server Error",
    "The Sauce VMs failed to start the browser or device",
)
VISIBILITIES = (
    # Thirteen of twenty are the default; the rest are all other forms, also a list of two and, as
    # old jobs have it, null.
    *("team",) * 13,
    "team,share",
    "private",
    "share",
    "public restricted",
    "public",
    None,
    None,
)
