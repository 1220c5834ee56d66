"""A release is what SHA256SUMS says, or the first thing that is not is named."""

import re
from pathlib import Path

import pytest
from files_on_disk import write_files
from programs import output_of
from signing_keys import signers_file, ssh_key

from ssiuml.release import ReleaseError
from ssiuml.release.checksums import NAME, digests_below, write_checksums
from ssiuml.release.signing import sign
from ssiuml.release.verifying import verify_release

FILES = {"root-1.tar.bz2": b"root", "utils-1.tar.xz": b"utils"}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = write_files(tmp_path / "release", FILES)
    write_checksums(folder, digests_below(folder, {}))
    return folder


@pytest.fixture
def signers(tmp_path: Path, release: Path) -> Path:
    """Who has signed the release."""
    key = ssh_key(tmp_path / "key")
    sign(release / NAME, str(key))
    return signers_file(tmp_path / "signers", me=key)


def _lines(folder: Path, signers: Path | None = None) -> list[str]:
    return list(verify_release(folder, signers))


def test_each_thing_that_is_as_it_should_be_is_said(release: Path, signers: Path) -> None:
    assert _lines(release, signers) == [
        f"{release / NAME}: signed by me@example.org",
        *(f"{release / name}: as in {NAME}" for name in sorted(FILES)),
    ]


def test_without_a_signature_that_is_said_first(release: Path) -> None:
    assert _lines(release)[0] == f"{release / NAME}: not signed"


def test_a_changed_tarball_is_named_with_both_digests(release: Path) -> None:
    path = release / "root-1.tar.bz2"
    before, after = output_of("sha256sum", path).split()[0], ""
    path.write_bytes(b"Root")
    after = output_of("sha256sum", path).split()[0]
    with pytest.raises(ReleaseError, match=re.escape(f"{path}: was changed")) as caught:
        _lines(release)
    assert before in caught.value.message
    assert after in caught.value.message


def test_a_missing_tarball_is_named(release: Path) -> None:
    (release / "utils-1.tar.xz").unlink()
    with pytest.raises(ReleaseError, match=re.escape(f"{release / 'utils-1.tar.xz'}: is missing")):
        _lines(release)


def test_a_tarball_that_is_not_listed_is_named(release: Path) -> None:
    (release / "other-1.tar.zst").write_bytes(b"x")
    with pytest.raises(ReleaseError, match=re.escape(f"{release / 'other-1.tar.zst'}: is not listed")):
        _lines(release)


def test_changed_digests_are_no_good_signature(release: Path, signers: Path) -> None:
    (release / "root-1.tar.bz2").write_bytes(b"another root")
    write_checksums(release, digests_below(release, {}))
    for given in (signers, None):
        with pytest.raises(ReleaseError, match="is no good signature"):
            _lines(release, given)


def test_a_signature_that_was_taken_away_is_missed(release: Path, signers: Path) -> None:
    (release / f"{NAME}.sig").unlink()
    with pytest.raises(ReleaseError, match="is not signed"):
        _lines(release, signers)


def test_a_list_that_names_what_lies_elsewhere_is_refused(release: Path) -> None:
    (release.parent / "elsewhere").write_bytes(b"x")
    digest = output_of("sha256sum", release.parent / "elsewhere").split()[0]
    (release / NAME).write_text(f"{digest}  ../elsewhere\n")
    with pytest.raises(ReleaseError, match="is no line"):
        _lines(release)


def test_without_a_list_nothing_is_verified(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no such file"):
        _lines(tmp_path)
