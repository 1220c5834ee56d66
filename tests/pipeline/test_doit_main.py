"""What a user types for doit, and the folders that the environment names, by the folder where the user is."""

from pathlib import Path

import pytest

from ssiuml.host.places import make_absolute
from ssiuml.pipeline.doit_main import doits_words

HERE = Path("/where/i am")


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("signers=mine", "signers=/where/i am/mine"),
        ("signers=/etc/signers", "signers=/etc/signers"),
        ("recipe=mine", "recipe=mine"),
        ("offline=yes", "offline=yes"),
        ("--offline", "offline=yes"),
        ("--frozen", "frozen=yes"),
        ("--newest", "newest=yes"),
        ("--template={name}", "--template={name}"),
        ("build-root", "build-root"),
    ],
)
def test_a_file_that_a_user_names_is_relative_to_the_users_folder(typed: str, given: str) -> None:
    assert doits_words([typed], HERE) == [given]


def test_folders_that_the_environment_names_are_relative_to_the_users_folder() -> None:
    environ = {"SSIUML_CACHE": "a b", "TMPDIR": "../t", "HOME": "h"}
    make_absolute(environ, HERE)
    assert environ == {"SSIUML_CACHE": "/where/i am/a b", "TMPDIR": "/where/i am/../t", "HOME": "h"}
    for value in ("~/cache", "/cache", ""):
        environ = {"SSIUML_CACHE": value}
        make_absolute(environ, HERE)
        assert environ == {"SSIUML_CACHE": value}


def test_a_signing_key_in_a_file_is_relative_to_the_users_folder(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    for given, expected in (("key", str(tmp_path / "key")), ("gpg:me", "gpg:me"), ("other", "other")):
        environ = {"SSIUML_SIGNING_KEY": given}
        make_absolute(environ, tmp_path)
        assert environ == {"SSIUML_SIGNING_KEY": expected}
