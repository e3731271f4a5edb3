"""A client of the console: what a browser sends, without a browser."""

from __future__ import annotations

import http.client
import re
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

PASSWORD = "correct horse battery"
COOKIE = "__Host-sauce_janitor"
HTML = {"Accept": "text/html"}


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str
    cookies: list[str]

    @property
    def session(self) -> str:
        """The id of the session that the answer begins, empty for none."""
        found = [re.match(rf"{COOKIE}=([^;]*)", each) for each in self.cookies]
        return next((each[1] for each in found if each), "")

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.text)
        assert found, self.text
        return found[1]


@dataclass
class WebClient:
    """Sends requests to the console at `url`. Sessions are given to each request."""

    url: str = ""

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)) as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            client.request(method, path, body, named)
            got = client.getresponse()
            cookies = got.headers.get_all("Set-Cookie") or []
            return Answer(got.status, got.headers, got.read().decode(), cookies)

    def post(self, path: str, session: str = "", /, headers: Any = (), **fields: str) -> Answer:
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.url, **HTML}
        if session:
            sent["Cookie"] = f"{COOKIE}={session}"
        sent.update(dict(headers))
        return self.ask("POST", path, urlencode(fields), **{k: v for k, v in sent.items() if v})

    def get(self, path: str, session: str = "", **headers: str) -> Answer:
        cookie = {"Cookie": f"{COOKIE}={session}"} if session else {}
        return self.ask("GET", path, None, **{**HTML, **cookie, **headers})

    def sign_in(self, name: str = "jane", password: str = PASSWORD, **fields: str) -> Answer:
        return self.post("/sign-in", name=name, password=password, **fields)

    def session(self, name: str = "jane") -> str:
        answer = self.sign_in(name)
        assert answer.status == 303, answer.text
        return answer.session
