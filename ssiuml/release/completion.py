"""Completion of the commands in bash and zsh, made by shtab from their argument parsers.

How each placeholder is completed stands here and not in the parsers: the commands have to run without shtab.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import shtab

from ssiuml.host.files import write_text
from ssiuml.recipe.cluster import MAX_NODES
from ssiuml.release.commands import commands, load_parser

Completion = Mapping[str, object]

# Clusters, nodes and recipes are looked up when the user presses the key. The other words of the line are
# COMP_WORDS in bash, words in zsh.
_BASH: Final = """\
_ssiuml_cluster() {
  local i name=default
  for ((i = 1; i < COMP_CWORD - 1; i++)); do
    [[ ${COMP_WORDS[i]} == --cluster ]] && name=${COMP_WORDS[i + 1]}
  done
  echo "$name"
}
_ssiuml_nodes() {
  compgen -W "$(ssi-status --cluster "$(_ssiuml_cluster)" 2>/dev/null | awk "$2")" -- "$1"
}
_ssiuml_up() { _ssiuml_nodes "$1" '$1 ~ /^[0-9]+$/ && $2 != "down" { print $1 }'; }
_ssiuml_up_or_all() { _ssiuml_up "$1"; compgen -W all -- "$1"; }
_ssiuml_down() { _ssiuml_nodes "$1" '$1 ~ /^[0-9]+$/ && $2 == "down" { print $1 }'; }
_ssiuml_names() {
  local each names=()
  for each in "${@:2}"; do
    [[ -e $each ]] && each=${each%/*} && names+=("${each##*/}")
  done
  compgen -W "${names[*]}" -- "$1"
}
_ssiuml_clusters() { _ssiuml_names "$1" "${XDG_STATE_HOME:-$HOME/.local/state}"/ssiuml/*/plan.json; }
_ssiuml_recipes() {
  local command
  command=$(type -P ssi-start) && _ssiuml_names "$1" "${command%/*}"/../lib/ssiuml/*/manifest.json
}
"""
_ZSH: Final = """\
_ssiuml_nodes() {
  local name=default
  local -i at=${words[(I)--cluster]}
  (( at > 0 && at < CURRENT - 1 )) && name=${words[at + 1]}
  local -a nodes=(${(f)"$(ssi-status --cluster $name 2>/dev/null | awk $1)"} ${@:2})
  compadd -a nodes
}
_ssiuml_up() { _ssiuml_nodes '$1 ~ /^[0-9]+$/ && $2 != "down" { print $1 }' }
_ssiuml_up_or_all() { _ssiuml_nodes '$1 ~ /^[0-9]+$/ && $2 != "down" { print $1 }' all }
_ssiuml_down() { _ssiuml_nodes '$1 ~ /^[0-9]+$/ && $2 == "down" { print $1 }' }
_ssiuml_clusters() {
  local -a names=(${XDG_STATE_HOME:-$HOME/.local/state}/ssiuml/*/plan.json(N:h:t))
  compadd -a names
}
_ssiuml_recipes() {
  local -a names=(${commands[ssi-start]:h}/../lib/ssiuml/*/manifest.json(N:h:t))
  compadd -a names
}
"""


def _looked_up(name: str) -> Completion:
    function = f"_ssiuml_{name}"
    return {"bash": function, "zsh": function}


# Completion of the commands' placeholders.
BY_METAVAR: Final[Mapping[str, Completion]] = {
    **dict.fromkeys(("DEVICE", "FILE", "IMAGE", "DIR|TAR", "DIR|FILE.tar"), shtab.FILE),
    **dict.fromkeys(("FILE.cf", "FILE.svg|FILE.png"), shtab.FILE),
    "DIR": shtab.DIRECTORY,
    "N|all": _looked_up("up_or_all"),
}
# Completion of arguments by command and name, where the placeholder does not tell.
ANY: Final = "any command"
BY_DEST: Final[Mapping[tuple[str, str], Completion]] = {
    ("ssi-add", "nodes"): _looked_up("down"),
    ("ssi-console", "node"): _looked_up("up"),
    ("ssi-cp", "paths"): shtab.FILE,
    ("ssi-net", "words"): _looked_up("up"),
    ("ssi-rm", "nodes"): _looked_up("up"),
    ("ssi-start", "nodes"): shtab.cmd(f"seq {MAX_NODES}"),
    ("ssi-start", "recipe"): _looked_up("recipes"),
    (ANY, "cluster"): _looked_up("clusters"),
}


def write_completions(folder: Path) -> list[Path]:
    """Write the completions of all commands below *folder*, laid out as below share/. Return the files.

    For ssi-start they are ``bash-completion/completions/ssi-start`` and ``zsh/site-functions/_ssi-start``.
    The same sources give the same bytes.
    """
    written = []
    for name in commands():
        for shell, preamble, path in (
            ("bash", _BASH, folder / "bash-completion" / "completions" / name),
            ("zsh", _ZSH, folder / "zsh" / "site-functions" / f"_{name}"),
        ):
            parser = _with_completions(load_parser(name))
            text = shtab.complete(parser, shell)
            if "_ssiuml_" in text:
                text = shtab.complete(parser, shell, preamble=preamble)
            write_text(path, text)
            written.append(path)
    return written


def _with_completions(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Set on the arguments of *parser* the completions that shtab looks for. Return *parser*."""
    for action in _actions(parser):
        metavar = action.metavar if isinstance(action.metavar, str) else ""
        completion = (
            BY_DEST.get((parser.prog, action.dest))
            or BY_DEST.get((ANY, action.dest))
            or BY_METAVAR.get(metavar)
        )
        if completion is not None:
            action.complete = completion  # type: ignore[attr-defined]  # shtab reads this attribute
    return parser


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from _actions(sub)
