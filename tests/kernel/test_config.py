"""Fragments of a kernel's configuration, in the form of the kernel's scripts/config and merge_config.sh."""

from pathlib import Path

import pytest

from ssiuml.errors import SsiumlError
from ssiuml.kernel.config import read_fragments, read_options, require_options

CONFIG = """\
# Linux/um 6.1.192 Kernel Configuration
CONFIG_GFS2_FS=y
CONFIG_FUSE_FS=m
# CONFIG_INPUT is not set
CONFIG_CC_VERSION_TEXT="gcc (Debian 12.2.0-14) 12.2.0"
CONFIG_LOCALVERSION=""
"""


def _fragment(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_options_that_are_not_set_are_read_as_n() -> None:
    assert read_options(CONFIG) == {
        "CONFIG_GFS2_FS": "y",
        "CONFIG_FUSE_FS": "m",
        "CONFIG_INPUT": "n",
        "CONFIG_CC_VERSION_TEXT": '"gcc (Debian 12.2.0-14) 12.2.0"',
        "CONFIG_LOCALVERSION": '""',
    }


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return _fragment(tmp_path, ".config", CONFIG)


def test_options_that_have_the_wanted_values_are_no_error(tmp_path: Path, config: Path) -> None:
    text = "CONFIG_GFS2_FS=y\n# CONFIG_INPUT is not set\nCONFIG_FUSE_FS=m\n"
    text += "# CONFIG_USB is not set\nCONFIG_PCI=n\n"
    require_options(read_fragments([_fragment(tmp_path, "a", text)]), config)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("CONFIG_GFS2_FS=m", "CONFIG_GFS2_FS=m did not stick, it is y"),
        ("CONFIG_INPUT=y", "CONFIG_INPUT=y did not stick, it is n"),
        ("CONFIG_NO_SUCH_THING=y", "CONFIG_NO_SUCH_THING=y did not stick, it is n"),
        ("# CONFIG_FUSE_FS is not set", "CONFIG_FUSE_FS=n did not stick, it is m"),
        ('CONFIG_LOCALVERSION="-x"', 'CONFIG_LOCALVERSION="-x" did not stick, it is ""'),
    ],
)
def test_the_error_names_each_option_with_another_value_and_its_line(
    tmp_path: Path, config: Path, line: str, said: str
) -> None:
    fragment = _fragment(tmp_path, "mine", f"# mine\nCONFIG_GFS2_FS=y\n{line}\n")
    with pytest.raises(SsiumlError) as error:
        require_options(read_fragments([fragment]), config)
    assert f"{fragment}:3: {said}" in str(error.value)


def test_the_last_fragment_with_an_option_decides(tmp_path: Path, config: Path) -> None:
    first = _fragment(tmp_path, "first", "CONFIG_GFS2_FS=m\n")
    second = _fragment(tmp_path, "second", "CONFIG_GFS2_FS=y\n")
    require_options(read_fragments([first, second]), config)


def test_a_line_that_is_no_option_is_an_error(tmp_path: Path) -> None:
    fragment = _fragment(tmp_path, "mine", "CONFIG_A=y\nGFS2_FS=y\n")
    with pytest.raises(SsiumlError, match=r"mine:2: 'GFS2_FS=y' is no option"):
        read_fragments([fragment])
