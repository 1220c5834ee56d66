"""SOURCE_DATE_EPOCH: the time that a build gives to what it makes (reproducible-builds.org)."""

import re
from collections.abc import Mapping
from typing import Final

from ssiuml.errors import UsageError

VARIABLE: Final = "SOURCE_DATE_EPOCH"
MAX_EPOCH: Final = 2**32 - 1


def source_date_epoch(environ: Mapping[str, str]) -> int | None:
    """Return $SOURCE_DATE_EPOCH in seconds since 1970. Return None if it is not set, or empty.

    Raise UsageError if it is not a number, or too large.
    """
    text = environ.get(VARIABLE, "")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > MAX_EPOCH:
        raise UsageError(
            f"{VARIABLE}: '{text}' is not a number of seconds since 1970, 0 to {MAX_EPOCH}",
            hint="set it as `date +%s` prints it, or unset it",
        )
    return int(text)
