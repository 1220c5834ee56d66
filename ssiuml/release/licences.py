"""Under which licences Debian packages are, by their copyright files.

Source: machine-readable debian/copyright (DEP-5), Debian Policy 12.5.
"""

import io
import logging
import re
from typing import Final, cast

from debian.copyright import Copyright, License, NotMachineReadableError

_COMMON: Final = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])")
# Debian's short names that SPDX's list has under another one; `GPL-2+` and the like go by a rule.
_SPDX: Final = {
    "Expat": "MIT",
    "Artistic": "Artistic-1.0-Perl",
    "Apache-2": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD-2-clause": "BSD-2-Clause",
    "BSD-3-clause": "BSD-3-Clause",
    "BSD-4-clause": "BSD-4-Clause",
    "zlib": "Zlib",
}
_BETWEEN: Final = re.compile(r",? +and/or +|,? +or +|,? +and +|, *")
_GNU: Final = re.compile(r"(A?GPL|LGPL|GFDL)-(\d)(\.\d)?(\+)?")

logging.getLogger("debian.copyright").setLevel(logging.ERROR)  # it warns of fields that nobody here reads


def licences_of(copyright_file: bytes) -> list[str]:
    """Short names of the licences that a copyright file names, SPDX's where there is one, each once.

    Of a file that is no DEP-5 those that it refers to in /usr/share/common-licenses, by Debian's names: a
    reference to GPL-2 does not say whether later versions will do.
    """
    text = copyright_file.decode("utf-8", "replace")
    try:
        parsed = Copyright(io.StringIO(text), strict=False)
        found = [cast(License | None, each.license) for each in parsed.all_files_paragraphs()]
        names = [licence.synopsis for licence in found if licence is not None]
    except (NotMachineReadableError, ValueError):
        return sorted({_SPDX.get(name, name) for name in _COMMON.findall(text)})
    words = (word for name in names for word in _BETWEEN.split(name))
    return sorted({_spdx(word.strip("() ")) for word in words if word.strip("() ")})


def _spdx(name: str) -> str:
    gnu = _GNU.fullmatch(name)
    if gnu is None:
        return _SPDX.get(name, name)
    later = "or-later" if gnu[4] else "only"
    return f"{gnu[1]}-{gnu[2]}{gnu[3] or '.0'}-{later}"
