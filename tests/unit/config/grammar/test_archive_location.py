"""Where the archive is: in a folder or in a bucket, and how both are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauce_janitor.config import Config
from sauce_janitor.config.loader import from_bytes
from sauce_janitor.errors import ConfigError
from sauce_janitor.model.archive.locations import S3Location

ENVIRON = {"KEY": "k", "SECRET": "s"}


def loaded(archive: str) -> Config:
    text = f"""version: 1
accounts: {{eu: {{region: eu, username: demo, access_key: {{env: KEY}}}}}}
archive: {archive}
policies: []
"""
    return from_bytes(text.encode(), Path("/etc/sauce/config.yaml"), environ=ENVIRON)


def test_a_bucket_stands_in_place_of_a_folder() -> None:
    found = loaded(
        "{url: s3://my-bucket/a/b/, endpoint: 'https://s3.example.com', region: eu-central-1}"
    ).archive.location
    assert found == S3Location("my-bucket", "a/b", "https://s3.example.com", "eu-central-1")
    assert str(found) == "s3://my-bucket/a/b"
    assert str(loaded("{url: s3://my-bucket}").archive.location) == "s3://my-bucket"
    assert loaded("{path: there}").archive.location == Path("/etc/sauce/there")


def test_the_key_of_a_bucket_is_read_when_it_is_needed() -> None:
    found = loaded(
        "{url: s3://my-bucket, access_key_id: {env: KEY}, secret_access_key: {env: SECRET}}"
    ).archive.location
    assert isinstance(found, S3Location)
    assert found.credentials is not None
    assert found.credentials() == ("k", "s")
    assert "SECRET" not in repr(found)


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        ("{url: s3://my-bucket, path: x}", "either in a folder or in a bucket: leave out path"),
        ("{endpoint: 'https://x'}", "endpoint: is about a bucket: set url"),
        ("{url: s3://my-bucket, access_key_id: {env: KEY}}", "needs secret_access_key"),
        ("{url: s3://my-bucket, verify: inline}", "is always read back"),
        ("{url: 'https://my-bucket'}", "write s3://bucket/prefix"),
        ("{url: s3://My_Bucket}", "is not a bucket's name"),
        ("{url: s3://my-bucket/../x}", "is not a prefix"),
        ("{url: s3://my-bucket, endpoint: s3.example.com}", "write https://host"),
        ("{url: s3://my-bucket, endpoint: 'https://u:p@host'}", "write https://host"),
        ("{url: s3://my-bucket, secret_access_key: plain}", "access_key"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(archive: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        loaded(archive)
    assert "plain" not in str(error.value) or "plain" not in archive
