"""What a user types for doit, and the folders that the environment names, by the folder where the user is."""

from pathlib import Path

import pytest

from ssiuml.pipeline.doit_main import doits_words, make_absolute

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
