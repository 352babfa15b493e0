"""Ray's token file is private, and what is done to it is said."""

import os
import stat
from pathlib import Path

import pytest

from search.cluster.token import settle_token


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The place of the token, in a home folder of its own."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".ray" / "auth_token"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_missing_token_is_made_for_its_owner_alone(file):
    before = os.umask(0)
    try:
        assert (
            settle_token(may_make=True) == f"made {file}, mode 0600: the token without which nobody uses a Ray of yours"
        )
    finally:
        os.umask(before)
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    token = file.read_text()
    assert len(token) == 64
    assert [path.name for path in file.parent.iterdir()] == ["auth_token"]
    assert settle_token(may_make=True) == ""
    assert file.read_text() == token


def test_a_token_that_others_can_read_is_narrowed_and_kept(file):
    file.parent.mkdir()
    file.write_text("abc")
    file.chmod(0o644)
    for may_make in (False, True):
        file.chmod(0o644)
        told = settle_token(may_make=may_make)
        assert told.startswith(f"Ray's token {file}")
        assert told.endswith("its mode was 0644 and is 0600 now")
        assert (mode(file), file.read_text()) == (0o600, "abc")


def test_the_file_that_the_user_names_is_the_one_that_is_looked_at(file, tmp_path, monkeypatch):
    named = tmp_path / "token"
    named.write_text("abc")
    named.chmod(0o640)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(named))
    assert "its mode was 0640" in settle_token(may_make=True)
    named.unlink()
    assert settle_token(may_make=True) == ""
    assert not named.exists()
    assert not file.exists()


@pytest.mark.parametrize("variables", [{"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_TOKEN": "abc"}])
def test_no_file_is_made_where_none_is_used(file, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert settle_token(may_make=True) == ""
    assert not file.exists()


def test_a_client_makes_no_token(file):
    assert settle_token(may_make=False) == ""
    assert not file.exists()


def _linked(file):
    file.parent.mkdir()
    file.symlink_to(file.parent / "nowhere")


@pytest.mark.parametrize("made", [lambda file: file.parent.write_text("no folder"), _linked], ids=["file", "link"])
def test_where_no_file_can_be_made_the_token_is_that_of_one_ray(file, monkeypatch, made):
    made(file)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    told = settle_token(may_make=True)
    assert f"Ray's token cannot be kept in {file}" in told
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    assert os.environ["RAY_AUTH_TOKEN"] not in told


def test_a_token_whose_rights_cannot_be_narrowed_is_said_to_be_open(file, monkeypatch):
    file.parent.mkdir()
    file.write_text("abc")
    file.chmod(0o644)

    def refuse(path, mode):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    assert settle_token(may_make=True).endswith("and its rights cannot be narrowed: Operation not permitted")
