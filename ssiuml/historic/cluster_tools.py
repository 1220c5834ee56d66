"""Cluster tools of 2002: ``make install_ssi_redhat UML_ROOT=DIR`` edits files of the root (HOWTO 5.3, 5.4).

So make works on a copy of the whole tree, which takes some seconds, and its changes become the layer.
"""

import fnmatch
import os
import re
import shutil
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.historic.editable_copy import editable_copy
from ssiuml.host.neutral_names import neutral_name
from ssiuml.host.run import PLAIN_LANGUAGE, run
from ssiuml.layers.cluster_tools import TIMEOUT_S, make_command
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Tree

# make lists all rules that it has read. There is none for this target, so it makes nothing. With --dry-run it
# would run lines that begin with + or contain $(MAKE).
_NO_TARGET: Final = ":"
_LIST_RULES: Final = ("--print-data-base", "--no-builtin-rules", "--no-builtin-variables", "--question")
_MAKEFILES: Final = ("GNUmakefile", "makefile", "Makefile")
_RULE: Final = re.compile(r"(?<=\n\n)([^\s#:=.][^\s:=]*) ?::?(?!=)")
_STOP: Final = re.compile(r"^(?:make: )?((?:\S+:\d+: )?)\*\*\* (.*?)\s+Stop\.$", re.MULTILINE)


def install_on_copy(
    source: Path, distribution: str, work: Path, tree: Tree, mtime_ns: int, timeout_s: float = TIMEOUT_S
) -> Layer:
    """Install the tools in *source* into a copy of *tree*. Return the changes as a layer.

    *work* is emptied first, and must stay until the layer is written. make runs in a copy of *source*, in
    which every file has the time *mtime_ns*, and sees itself as root. Raise SsiumlError if make has no such
    rule. Raise CommandError, with the last lines of make, if make fails or takes longer than *timeout_s*.
    Raise the errors of ssiuml.historic.editable_copy.
    """
    require_rule(source, distribution)
    with editable_copy(tree, work) as copy:
        sources = work / "source"
        shutil.copytree(source, sources, symlinks=True)
        _set_times(sources, mtime_ns)
        with neutral_name(copy.root) as name:
            copy.run(make_command(sources, distribution, name), timeout_s=timeout_s)
        return copy.changes(mtime_ns)


def require_rule(source: Path, distribution: str) -> None:
    """Raise SsiumlError if the Makefile in *source* has no rule that installs the tools of *distribution*.

    make itself reads the Makefile and those that it includes. Nothing is made.
    """
    rule, there = f"install_ssi_{distribution}", _rules(source)
    if not any(fnmatch.fnmatchcase(rule, name.replace("%", "*")) for name in there):
        raise SsiumlError(
            f"{source}: its Makefile has no rule '{rule}', it has: {' '.join(there) or 'none'}",
            hint="set cluster_tools to a folder whose Makefile has that rule",
        )


def _rules(source: Path) -> list[str]:
    if not any((source / name).is_file() for name in _MAKEFILES):
        raise SsiumlError(
            f"{source}: there is no Makefile in it", hint="set cluster_tools to a folder with one"
        )
    words: list[str | Path] = ["make", "--no-print-directory", *_LIST_RULES, "-C", source, _NO_TARGET]
    output = run(words, timeout_s=TIMEOUT_S, env=PLAIN_LANGUAGE, ok_exit=(0, 1, 2))
    for place, reason in _STOP.findall(output):
        if f"'{_NO_TARGET}'" not in reason:
            raise SsiumlError(f"{source}: its Makefile cannot be read: {place}{reason}")
    return sorted(set(_RULE.findall(output)))


def _set_times(folder: Path, mtime_ns: int) -> None:
    # Files of a checkout have the time when it was made, which 'cp -p' in the Makefile would copy.
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            os.utime(Path(parent, name), ns=(mtime_ns, mtime_ns), follow_symlinks=False)
