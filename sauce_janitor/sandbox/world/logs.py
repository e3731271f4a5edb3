"""The logs, HAR, reports and metrics of a job, generated from its facts at each request."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.sax.saxutils import quoteattr

from sauce_janitor.sandbox.world.job_facts import JobFacts

# Enough to look like a test of a shop, and cheap to generate: a million jobs share these commands.
_STEPS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("POST", "url", {"url": "https://shop.example.com/"}),
    ("POST", "element", {"using": "css selector", "value": "#search"}),
    ("POST", "element/7f2a/value", {"text": "blue kettle"}),
    ("POST", "element/7f2a/click", {}),
    ("GET", "title", {}),
    ("GET", "screenshot", {}),
)


def command_log(facts: JobFacts) -> bytes:
    """Return log.json: the commands of the session, as in Sauce's command log."""
    start = facts.started_at or facts.created_at
    entries = [
        {
            "method": method,
            "path": path,
            "request": request,
            "result": None if path != "title" else "Example Web Shop",
            "duration": round(0.02 + facts.dice.fraction(number % 60), 3),
            "start_time": start + number,
            "between_commands": round(facts.dice.fraction((number + 7) % 60), 3),
            "screenshot": number // 6 if path == "screenshot" else None,
            "HTTPStatus": 200,
        }
        for number, (method, path, request) in _steps(facts)
    ]
    return _json(entries)


def server_log(facts: JobFacts) -> bytes:
    """Return selenium-server.log (for Appium jobs: the Appium log)."""
    program = "Appium" if facts.kind == "appium" else "SeleniumServer"
    browser = f"{facts.platform.browser} {facts.version}"
    lines = [f"{_clock(facts, 0)} INFO [{program}] - Starting for {browser}"]
    lines += [
        f"{_clock(facts, number)} INFO [{program}] - {method} "
        f"/session/{facts.dice.hex(0, 32)}/{path} {json.dumps(request)}"
        for number, (method, path, request) in _steps(facts)
    ]
    lines.append(f"{_clock(facts, 999)} INFO [{program}] - {facts.error or 'Session deleted'}")
    return "\n".join(lines).encode() + b"\n"


def automator_log(facts: JobFacts) -> bytes:
    """Return automator.log: the log of the virtual machine's automation."""
    lines = [
        f"[{_clock(facts, number)}] automator {facts.dice.hex(number % 30, 8)} {path}"
        for number, (_, path, _) in _steps(facts)
    ]
    return "\n".join(lines).encode() + b"\n"


def device_log(facts: JobFacts) -> bytes:
    """Return logcat.log or ios-syslog.log."""
    lines = [
        f"{_clock(facts, number)} 1234 1250 I ActivityManager: {facts.dice.hex(number % 50, 12)}"
        for number in range(60)
    ]
    return "\n".join(lines).encode() + b"\n"


def network_har(facts: JobFacts) -> bytes:
    """Return network.har, in the format HTTP Archive 1.2."""
    entries = [
        {
            "startedDateTime": datetime.fromtimestamp(
                (facts.started_at or 0) + number, UTC
            ).isoformat(),
            "time": 20 + number,
            "request": {
                "method": "GET",
                "url": f"https://shop.example.com/assets/{facts.dice.hex(number, 8)}.js",
                "httpVersion": "HTTP/2",
                "cookies": [],
                "headers": [{"name": "accept", "value": "*/*"}],
                "queryString": [],
                "headersSize": -1,
                "bodySize": 0,
            },
            "response": {
                "status": 200,
                "statusText": "OK",
                "httpVersion": "HTTP/2",
                "cookies": [],
                "headers": [],
                "content": {"size": 1000 + number * 17, "mimeType": "text/javascript"},
                "redirectURL": "",
                "headersSize": -1,
                "bodySize": 1000 + number * 17,
            },
            "cache": {},
            "timings": {"send": 1, "wait": 15 + number, "receive": 4},
        }
        for number in range(24)
    ]
    return _json(
        {
            "log": {
                "version": "1.2",
                "creator": {"name": "Sauce Labs", "version": "1"},
                "pages": [],
                "entries": entries,
            }
        }
    )


def performance(facts: JobFacts) -> bytes:
    """Return performance.json, shortened from the Jobs API's sample."""
    paint = 400 + int(facts.dice.fraction(20) * 4000)
    metrics = {
        "firstPaint": paint,
        "load": paint + 900,
        "speedIndex": paint + 2300,
        "cumulativeLayoutShift": 0,
    }
    report = {
        "lighthouseVersion": "6.3.0",
        # Milliseconds here, as in the vendor's sample, where the job itself has seconds.
        "timestamp": (facts.started_at or 0) * 1000,
        "loaderId": facts.dice.hex(0, 32).upper(),
        "score": round(0.4 + facts.dice.fraction(22) / 2, 2),
        "url": "https://shop.example.com/",
        "value": {"metrics": metrics, "warnings": {}},
        "type": "hard",
    }
    return _json([report])


def console(facts: JobFacts) -> bytes:
    """Return console.json: the messages of the browser's console."""
    return _json(
        [
            {
                "level": "info",
                "message": f"ready in {facts.dice.between(24, 80, 900)} ms",
                "source": "console-api",
            }
        ]
    )


def console_log(facts: JobFacts) -> bytes:
    """Return console.log of a Cypress runner."""
    outcome = "passing" if facts.passed else "failing"
    return (
        f"  {facts.test.suite}\n    {facts.test.name}\n\n  1 {outcome} "
        f"({facts.dice.between(24, 2, 40)}s)\n".encode()
    )


def spec_report(facts: JobFacts) -> bytes:
    """Return the JSON report of one Cypress spec."""
    return _json(
        {
            "stats": {"tests": 1, "passes": int(bool(facts.passed))},
            "tests": [{"title": facts.test.name}],
        }
    )


def junit(facts: JobFacts) -> bytes:
    """Return a JUnit report as users upload it."""
    failure = "" if facts.passed else "<failure message='expected 1 to equal 2'/>"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name={quoteattr(facts.test.suite)}'
        f' tests="1"><testcase name={quoteattr(facts.test.name)}>{failure}</testcase></testsuite>\n'
    ).encode()


def trace(facts: JobFacts) -> bytes:
    """Return a trace that is not in the asset list: only the answer to a delete names it."""
    events = [{"ts": number, "name": facts.dice.hex(number % 56, 16)} for number in range(400)]
    # The file's own format is gzip: a client must not unpack it as it does a Content-Encoding.
    return gzip.compress(json.dumps({"traceEvents": events}).encode(), 1, mtime=0)


def _steps(facts: JobFacts) -> Iterator[tuple[int, tuple[str, str, dict[str, str]]]]:
    return ((number, _STEPS[number % len(_STEPS)]) for number in range(30 + facts.index % 40))


def _clock(facts: JobFacts, seconds: int) -> str:
    return datetime.fromtimestamp((facts.started_at or facts.created_at) + seconds, UTC).strftime(
        "%Y-%m-%d %H:%M:%S.000"
    )


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()
