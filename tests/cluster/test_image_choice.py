"""The image of a cluster, chosen by the command line or ~/.ssiuml/ssiuml.conf."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ssiuml.cluster.image_choice import choose_image, configuration_file, read_configuration
from ssiuml.errors import UsageError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / ".ssiuml").mkdir(parents=True)
    return folder


@pytest.fixture
def checkout(tmp_path: Path, make_image: Callable[..., Path]) -> Path:
    make_image(tmp_path / "checkout" / "images" / "trixie")
    return tmp_path / "checkout"


def configure(home: Path, text: str) -> None:
    configuration_file(home).write_text(text)


def test_a_missing_configuration_sets_nothing(tmp_path: Path) -> None:
    assert read_configuration(tmp_path / "absent", tmp_path) == {}


def test_keys_comments_and_quotes_are_read(home: Path) -> None:
    for name in ("k", "r"):
        (home / name).touch()
    configure(home, f'# mine\n\nKERNEL=~/k\n ROOT = "{home}/r"\n')
    assert read_configuration(configuration_file(home), home) == {"KERNEL": home / "k", "ROOT": home / "r"}


def test_a_byte_order_mark_and_line_ends_of_windows_do_not_matter(home: Path) -> None:
    (home / "k").touch()
    configuration_file(home).write_bytes(b"\xef\xbb\xbfKERNEL=~/k\r\n")
    assert read_configuration(configuration_file(home), home) == {"KERNEL": home / "k"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("KERNEL=/nonexistent/k\n", r"ssiuml\.conf:1: KERNEL=/nonexistent/k: there is no such file"),
        ("\nKERNAL=/x\n", r"ssiuml\.conf:2: unknown key KERNAL(.|\n)*KERNEL ROOT CIDEV INITRD INITRD_MEMEXP"),
        ("kernel=/x\n", r":1: unknown key kernel"),
        ("KERNEL\n", r":1: 'KERNEL' is not of the form KEY=value"),
        ("KERNEL=\n", r":1: KERNEL has no value"),
        ("KERNEL=linux\n", r"KERNEL=linux: is not an absolute path"),
        ("ROOT=/etc/passwd\nROOT=/etc/passwd\n", r":2: ROOT is set a second time"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number_and_value(home: Path, text: str, said: str) -> None:
    configure(home, text)
    with pytest.raises(UsageError, match=said):
        read_configuration(configuration_file(home), home)


def test_the_default_image_is_that_of_the_checkout(home: Path, checkout: Path) -> None:
    image = choose_image(None, None, home, [checkout / "images"])
    assert image.root_fs == checkout / "images/trixie/root_fs"


def test_configured_files_replace_those_of_the_default_image(home: Path, checkout: Path) -> None:
    (home / "k").touch()
    configure(home, "KERNEL=~/k\nCIDEV=~/k\n")
    image = choose_image(None, None, home, [checkout / "images"])
    assert (image.kernel, image.initrd) == (home / "k", checkout / "images/trixie/i")
    assert any("CIDEV is not used" in remark for remark in image.remarks)


def test_a_configured_root_brings_the_limits_of_its_image(
    home: Path, checkout: Path, tmp_path: Path, make_image: Callable[..., Path]
) -> None:
    other = make_image(tmp_path / "other", "mine")
    configure(home, f"ROOT={other}/root_fs\n")
    assert choose_image(None, None, home, [checkout / "images"]).described.values["recipe"] == "mine"


def test_the_command_line_takes_precedence_and_a_remark_says_so(home: Path, checkout: Path) -> None:
    (home / "k").touch()
    configure(home, "KERNEL=~/k\n")
    image = choose_image("trixie", None, home, [checkout / "images"])
    assert image.kernel == checkout / "images/trixie/k"
    assert "KERNEL is not used, --recipe takes precedence" in image.remarks[0]


def test_recipe_and_image_together_are_refused(home: Path, checkout: Path) -> None:
    with pytest.raises(UsageError, match="both given"):
        choose_image("trixie", checkout, home, [checkout / "images"])


def test_a_missing_image_is_reported_with_the_command_that_builds_it(home: Path, checkout: Path) -> None:
    with pytest.raises(UsageError, match=r"images/mine: no image(.|\n)*recipe=mine build-root"):
        choose_image("mine", None, home, [checkout / "images"])
    (checkout / "images/trixie/k").unlink()
    with pytest.raises(UsageError, match=r"trixie/k: is missing"):
        choose_image(None, None, home, [checkout / "images"])
