"""Wrong types and wrong keys: the messages for the user, word for word."""

from collections.abc import Callable

import pytest

ErrorOf = Callable[[str], str]

# Text below `extends: base`, which is line 1, and the message behind "recipes/mine.yaml:".
WRONG_TYPES = [
    (
        "description: yes",
        '2: description: yes is true or false to YAML, expected text\n  put it in quotes: "yes"',
    ),
    ("description:", "2: description: is empty, expected text"),
    ("description: [a]", "2: description: is a list, expected text"),
    (
        "distribution: {suite: 12}",
        '2: distribution.suite: 12 is a number to YAML, expected text\n  put it in quotes: "12"',
    ),
    ("packages: corosync", "2: packages: 'corosync' is text, expected a list\n  write [corosync]"),
    (
        "packages:\n- gdb\n- no",
        '4: packages[1]: no is true or false to YAML, expected text\n  put it in quotes: "no"',
    ),
    (
        "filesystem: {journals: '5'}",
        "2: filesystem.journals: '5' is text, expected a whole number\n  write it plainly: 5",
    ),
    (
        "filesystem: {journals: 010}",
        "2: filesystem.journals: '010' is text, expected a whole number\n  write it plainly: 10",
    ),
    (
        "filesystem: {journals: 5.0}",
        "2: filesystem.journals: 5.0 is a number to YAML, expected a whole number",
    ),
    (
        "filesystem: {journals: yes}",
        "2: filesystem.journals: yes is true or false to YAML, expected a whole number",
    ),
    ("filesystem: gfs2", "2: filesystem: 'gfs2' is text, expected a mapping (lines `key: value`)"),
    ("cluster:", "2: cluster: is empty, expected a mapping (lines `key: value`)"),
    ("files: [x]", "2: files[0]: 'x' is text, expected a mapping (lines `key: value`)"),
]

WRONG_KEYS = [
    (
        "filesystem:\n  journal: 5",
        "3: filesystem.journal: there is no such key\n  did you mean journals?",
    ),
    (
        "sizes: {<root_fs>: 5}",
        "2: sizes.<root_fs>: there is no such key\n  did you mean root_fs?",
    ),
    ("extend: base", "2: extend: there is no such key\n  did you mean extends?"),
    (
        "sizes: {xyz: 5}",
        "2: sizes.xyz: there is no such key\n  use one of root_fs, root_cidev",
    ),
    (
        "sizes: {root_fs_bytes: 5}",
        "2: sizes.root_fs_bytes: there is no such key\n  did you mean root_fs?",
    ),
    (
        "files: [{path: /a, content: a, owner: 0}]",
        "2: files[0].owner: there is no such key\n  use one of path, content, source, mode, uid, gid",
    ),
    ("files: [{content: a}]", "2: files[0].path: is missing\n  add path: its path in the image"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_TYPES)
def test_wrong_type_is_an_error_with_the_value_and_the_type_expected(
    error_of: ErrorOf, text: str, message: str
) -> None:
    assert error_of(f"extends: base\n{text}\n") == f"recipes/mine.yaml:{message}"


@pytest.mark.parametrize(("text", "message"), WRONG_KEYS)
def test_unknown_or_missing_key_is_an_error_with_file_line_and_suggestion(
    error_of: ErrorOf, text: str, message: str
) -> None:
    assert error_of(f"extends: base\n{text}\n") == f"recipes/mine.yaml:{message}"


def test_missing_keys_are_named_with_their_descriptions(error_of: ErrorOf) -> None:
    lines = error_of("description: x\n").splitlines()
    assert lines[:2] == [
        "recipes/mine.yaml:1: distribution: is missing",
        "  add distribution: where the base of the image comes from",
    ]
    missing = [line.split(": ")[1] for line in lines[::2]]
    assert missing == [
        "distribution",
        "source_date_epoch",
        "sizes",
        "filesystem",
        "cluster",
        "kernel",
        "initrd",
        "root_password_hash",
        "release",
    ]
