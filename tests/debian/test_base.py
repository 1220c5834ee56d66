"""The base layer in the cache."""

import os
from pathlib import Path

import pytest

from ssiuml.debian import base
from ssiuml.debian.deb import Selection
from ssiuml.errors import SsiumlError
from ssiuml.host.cache import Cache
from ssiuml.host.code import imported_by
from ssiuml.recipe.distribution import PackagesDistribution

# What mmdebstrap of Debian 12 said when a user without subordinate ids installed Debian 13.
NO_IDS = """\
I: automatically chosen mode: fakechroot
env: symbol lookup error: /tmp/x/mmdebstrap.1//lib/x86_64-linux-gnu/libc.so.6: undefined symbol: \
__tunable_is_initialized, version GLIBC_PRIVATE
E: setup failed: E: env --unset=APT_CONFIG --unset=TMPDIR chroot /tmp/x/mmdebstrap.1 dpkg --install failed
"""


def test_base_depends_on_the_code_of_the_distribution_and_of_no_other_key() -> None:
    """A change in the model of another key, such as the kernel, would otherwise install the base again."""
    models = {name for name in imported_by("ssiuml.debian.base") if name.startswith("ssiuml.recipe.")}
    names = ("choice", "distribution", "problems", "section", "values")
    assert models == {f"ssiuml.recipe.{name}" for name in names}


@pytest.mark.parametrize(
    ("said", "expected"),
    [(NO_IDS, "has no subordinate ids in /etc/subuid and /etc/subgid"), ("E: other\n", "exit status 25")],
)
def test_a_user_without_subordinate_ids_is_told_so(
    said: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "mmdebstrap"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}END\nexit 25\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    debian = PackagesDistribution(name="debian", suite="trixie", mirror="http://localhost/debian")
    key = base.key(debian, [], Selection(required=[], packages={}), 1_700_000_000)
    with pytest.raises(SsiumlError, match=expected):
        base.get_or_make(Cache(tmp_path / "cache"), key, {}, tmp_path)
    assert not list((tmp_path / "cache" / "base").glob("*.tar"))
