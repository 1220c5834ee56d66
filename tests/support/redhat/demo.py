"""dbdemo.tar.bz2: a program that reads the spelling alphabet while it moves from node to node."""

from pathlib import Path
from typing import Final

from redhat.archives import pack

NAME: Final = "dbdemo.tar.bz2"
ALPHABET: Final = (
    "Alpha Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliett Kilo Lima Mike November Oscar Papa "
    "Quebec Romeo Sierra Tango Uniform Victor Whiskey X-ray Yankee Zulu"
)
_DBDEMO: Final = """#!/bin/sh
# dbdemo FILE: reads records, one a line, and writes each to the terminal, about one in a second.

if [ $# -ne 1 ]; then
    echo "usage: dbdemo FILE" >&2
    exit 1
fi
while read -r record; do
    echo "$record"
    sleep 1
done <"$1"
"""


def make_dbdemo(target: Path) -> Path:
    """Make the .tar.bz2, which unpacks to dbdemo/ with dbdemo and alphabet. Return *target*."""
    records = ALPHABET.replace(" ", "\n") + "\n"
    return pack(target, {"dbdemo/dbdemo": _DBDEMO, "dbdemo/alphabet": records})
