"""A database or a bucket that cannot be used: one sentence, the documented exit code, and nothing is
lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from sauce_janitor.state.database.postgresql import postgresql_engine
from sauce_janitor.state.database.schema import found_state
from tests.support.archive_places import InBucket
from tests.support.backends import DATABASE_PASSWORD, Backend
from tests.support.nanio import nanio
from tests.support.ports import free_port
from tests.support.postgresql import Postgresql
from tests.support.processes import POLICIES, Processes
from tests.support.s3_faults import ENCRYPT, Fault, faulty
from tests.support.seaweedfs import SECRET, Seaweedfs
from tests.support.state import Place, migrate

pytestmark = pytest.mark.one_backend("its servers are what is wrong", on="cluster")
EXECUTE = ("run", "--execute")


def refused(desk: Processes, *words: str, code: int) -> str:
    """Run a command that must end with this code and one sentence, and return that."""
    before = desk.sandbox.writes()
    ended = desk.run(*(words or EXECUTE), code=code)
    said = [line for line in ended.stderr.splitlines() if not re.match(r"\{|[\d-]{10}T", line)]
    assert len(said) == 1, ended.stderr
    assert said[0].startswith("sauce-janitor: ")
    for secret in (DATABASE_PASSWORD, SECRET, "demo-key"):
        assert secret not in ended.stdout + ended.stderr
    assert desk.sandbox.writes() == before
    return said[0]


def rewrite(desk: Processes, pattern: str, text: str) -> None:
    path = desk.folder / "config.yaml"
    changed, count = re.subn(pattern, text, path.read_text())
    assert count == 1
    path.write_text(changed)


# --- the state's database -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text", "code", "said"),
    [
        ("^postgresql", "mysql", 2, "does not name a PostgreSQL database"),
        (r"@.*", "@no-such-host.invalid/janitor", 2, "no-such-host.invalid/janitor"),
        (r"/[^/]*$", "/missing", 2, 'database "missing" does not exist'),
        ("//postgres:", "//nobody:", 2, 'role "nobody" does not exist'),
        (r"@.*/", f"@127.0.0.1:{free_port()}/", 4, "cannot be used"),
    ],
    ids=["another kind", "no host", "no database", "no user", "no server"],
)
def test_a_wrong_address_is_told_before_any_request(
    desk: Processes, pattern: str, text: str, code: int, said: str
) -> None:
    desk.environment["STATE_URL"] = re.sub(pattern, text, desk.environment["STATE_URL"])
    assert said in refused(desk, code=code)
    assert desk.sandbox.log() == []


def test_an_address_that_is_not_there_names_its_variable(desk: Processes) -> None:
    del desk.environment["STATE_URL"]
    said = "config.yaml:6: state.url.env: the environment variable STATE_URL is not set\n"
    assert desk.run(*EXECUTE, code=2).stderr == said


def test_a_user_without_rights_is_told_so(desk: Processes, postgresql: Postgresql) -> None:
    url, guest = str(desk.storage.state.where), f"guest_{desk.folder.stat().st_ino}"
    postgresql.execute(url, f"CREATE ROLE {guest} LOGIN")
    desk.environment["STATE_URL"] = desk.environment["STATE_URL"].replace("postgres:", f"{guest}:")
    assert "permission denied for table" in refused(desk, code=2)
    postgresql.execute(url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {guest}")
    assert "permission denied for table" in refused(desk, code=4)


@pytest.fixture
def empty(desk: Processes, postgresql: Postgresql) -> Iterator[str]:
    """A database without tables, which the configuration names."""
    url = postgresql.empty()
    desk.environment["STATE_URL"] = url.replace("@", f":{DATABASE_PASSWORD}@")
    yield url
    postgresql.drop(url)


@pytest.mark.thorough
def test_an_empty_database_gets_no_state_but_by_init(desk: Processes, empty: str) -> None:
    assert "`sauce-janitor state init` makes one" in refused(desk, code=3)
    desk.run("state", "init")
    desk.run("plan")


@pytest.mark.thorough
def test_another_program_s_tables_are_left_alone(
    desk: Processes, empty: str, postgresql: Postgresql
) -> None:
    postgresql.execute(empty, "CREATE TABLE orders (id integer)")
    for words in (EXECUTE, ("state", "init"), ("state", "migrate", "--backed-up")):
        assert "has tables of another program" in refused(desk, *words, code=3)
    postgresql.execute(empty, "INSERT INTO orders VALUES (1)")


@pytest.mark.thorough
def test_an_older_schema_is_not_migrated_on_the_way(desk: Processes, empty: str) -> None:
    engine = postgresql_engine(make_url(empty))
    with engine.begin() as connection:
        migrate(connection, "0001")
        found_state(connection)
    engine.dispose()
    assert "`sauce-janitor state migrate --backed-up`" in refused(desk, code=3)
    desk.run("state", "migrate", "--backed-up")
    desk.run("plan")


@pytest.mark.thorough
def test_a_newer_schema_is_left_alone(desk: Processes) -> None:
    desk.storage.state.execute(
        "UPDATE alembic_version SET version_num = '9999'",
        "UPDATE meta SET value = '9999' WHERE key = 'readable_from'",
    )
    for words in (EXECUTE, ("state", "migrate", "--backed-up")):
        assert "was written by a newer version" in refused(desk, *words, code=3)


@pytest.mark.thorough
def test_a_server_that_becomes_read_only_loses_nothing(desk: Processes) -> None:
    desk.run(*EXECUTE)
    database = str(desk.storage.state.where).rpartition("/")[2]
    setting = f"ALTER DATABASE {database} SET default_transaction_read_only = "
    desk.storage.state.execute(setting + "on")
    assert "is read-only, as on a replica" in refused(desk, code=3)
    postgres = Place(str(desk.storage.state.where).replace(database, "postgres"))
    postgres.execute(setting + "off")
    desk.run(*EXECUTE)
    desk.run("prove")


# --- the archive's bucket -------------------------------------------------------------------------


def test_a_bucket_that_does_not_exist_is_not_made(desk: Processes) -> None:
    rewrite(desk, "s3://archives/", "s3://nowhere/")
    assert "the bucket does not exist" in refused(desk, code=4)


def test_a_wrong_secret_of_the_bucket_is_told(desk: Processes) -> None:
    desk.environment["S3_SECRET"] = "another-secret"
    assert "the secret access key is wrong" in refused(desk, code=4)


def test_a_prefix_with_other_things_is_left_alone(desk: Processes) -> None:
    archive = desk.storage.archive
    archive.write("invoices/2026.pdf", b"%PDF-1.7")
    assert "is not an archive and not empty" in refused(desk, code=4)
    assert archive.paths() == ["invoices/2026.pdf"]


@pytest.mark.thorough
def test_an_archive_of_another_state_is_left_alone(
    desk: Processes, tmp_path: Path, backend: Backend
) -> None:
    desk.run(*EXECUTE)
    archive = desk.storage.archive
    before = {path: archive.read(path) for path in archive.paths()}
    (tmp_path / "other").mkdir()
    with backend.storage(tmp_path / "other") as storage:
        other = Processes(tmp_path / "other", desk.sandbox, storage)
        other.configure(POLICIES)
        rewrite(other, r"s3://[^\"]*", str(archive.location))
        assert "run `sauce-janitor archive adopt`" in refused(other, code=3)
    assert {path: archive.read(path) for path in archive.paths()} == before


@contextmanager
def ignoring(component: Callable[[str], Path], folder: Path, desk: Processes) -> Iterator[None]:
    """Let the archive be on a server that ignores conditions."""
    folder.mkdir()
    with nanio(component, folder) as location:
        rewrite(desk, r"s3://[^\"]*", str(location))
        rewrite(desk, r"endpoint: \"[^\"]*", f'endpoint: "{location.endpoint}')
        yield


def test_a_server_that_ignores_conditions_gets_no_archive(
    desk: Processes, component: Callable[[str], Path], tmp_path: Path
) -> None:
    with ignoring(component, tmp_path / "nanio", desk):
        assert "ignores `If-None-Match: *`" in refused(desk, code=4)


@pytest.mark.thorough
def test_a_bucket_that_wants_another_encryption_is_told(
    desk: Processes, s3_server: Seaweedfs
) -> None:
    assert isinstance(desk.storage.archive, InBucket)
    prefix = str(desk.storage.archive.location).rpartition("/")[2]
    with faulty(s3_server, prefix, Fault(lambda method, _: method == "PUT", ENCRYPT)) as location:
        rewrite(desk, r"endpoint: \"[^\"]*", f'endpoint: "{location.endpoint}')
        assert "requires aws:kms encryption" in refused(desk, code=4)
    rewrite(desk, r"endpoint: \"[^\"]*", f'endpoint: "{s3_server.endpoint}')
    desk.run(*EXECUTE)
    desk.run("prove")


# --- machines that share a state, but no archive --------------------------------------------------


@pytest.mark.one_backend("each machine has a folder of its own", on="server")
def test_a_second_machine_with_a_folder_of_its_own_is_warned_and_deletes_nothing(
    desk: Processes,
) -> None:
    warning = "archive: is a folder, but several machines can share the state"
    assert warning in desk.run("check").stdout
    desk.run(*EXECUTE, "--policy", "nightly")
    # The other machine has nothing at that path.
    mine = (desk.folder / "archive").rename(desk.folder / "mine")
    assert "/archive" in refused(desk, code=4)
    assert not (desk.folder / "archive").exists()
    mine.rename(desk.folder / "archive")
    desk.run(*EXECUTE)
    desk.run("prove")
