"""`make check` in an unpacked tarball."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from files_on_disk import sha256sum, write_files
from programs import output_of
from signing_keys import gpg_home, gpg_key, signers_file, ssh_key
from tarball_folders import TEMPLATES, UTILS, UTILS_FILES, finish, make_fails, make_succeeds

from ssiuml.release.checksums import NAME as SUMS
from ssiuml.release.checksums import write_checksums
from ssiuml.release.signing import sign
from ssiuml.release.tarball import compressor, write_tarball


@pytest.fixture
def release(unpacked: Path, tmp_path: Path) -> Path:
    """The unpacked commands, beside their tarball and its SHA256SUMS."""
    folder = shutil.copytree(unpacked / UTILS, tmp_path / "release" / UTILS)
    tarball = folder.parent / f"{UTILS}.tar.zst"
    write_tarball(tarball, folder, 0, compressor("zst"))
    digests = {tarball.name: sha256sum(tarball), "other.tar.xz": "0" * 64}
    write_checksums(folder.parent, digests)
    return folder


def _change(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def test_unchanged_files_pass(release: Path) -> None:
    said = make_succeeds(release, "check")
    assert f"{UTILS}: every file matches {SUMS}" in said
    assert f"{UTILS}: {UTILS}.tar.zst matches ../{SUMS}" in said


@pytest.mark.parametrize("name", ["bin/ssi-start", "setup", "Makefile", "README", SUMS])
def test_a_changed_file_is_found(release: Path, name: str) -> None:
    if name == "setup":  # a comment: the script still has to run
        (release / name).write_text((release / name).read_text() + "# changed\n")
    else:
        _change(release / name)
    assert UTILS in make_fails(release, "check")


@pytest.mark.parametrize("name", ["bin/ssi-start", "README"])
def test_a_missing_file_is_found(release: Path, name: str) -> None:
    (release / name).unlink()
    assert name in make_fails(release, "check")


def _changed_tarball(release: Path) -> None:
    _change(release.with_name(f"{UTILS}.tar.zst"))


def _tarball_of_another(release: Path) -> None:
    """Replace the tarball by another one, which SHA256SUMS lists under the same name."""
    other = release.parent / "elsewhere" / UTILS
    write_files(other, {**UTILS_FILES, "bin/ssi-start": b"#!/bin/sh\nrm -rf ~\n"})
    finish(other, ".", "README-utils")
    tarball = release.with_name(f"{UTILS}.tar.zst")
    write_tarball(tarball, other, 0, compressor("zst"))
    write_checksums(release.parent, {tarball.name: sha256sum(tarball)})


def _not_listed(release: Path) -> None:
    write_checksums(release.parent, {"other.tar.xz": "0" * 64, f"{UTILS}.tar.zst.old": "0" * 64})


def _listed_under_a_longer_name(release: Path) -> None:
    tarball = release.with_name(f"{UTILS}.tar.zst")
    write_checksums(release.parent, {f"{tarball.name}.old": sha256sum(tarball)})


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_changed_tarball, f"{UTILS}.tar.zst does not match ../{SUMS}"),
        (_tarball_of_another, f"was not unpacked from {UTILS}.tar.zst"),
        (_not_listed, f"{UTILS}.tar.zst does not match ../{SUMS}"),
        (_listed_under_a_longer_name, f"{UTILS}.tar.zst does not match ../{SUMS}"),
    ],
)
def test_another_tarball_beside_the_folder_is_found(
    release: Path, harm: Callable[[Path], None], said: str
) -> None:
    harm(release)
    assert said in make_fails(release, "check")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return ssh_key(tmp_path / "key")


def test_a_good_signature_of_a_known_signer_passes(release: Path, tmp_path: Path, key: Path) -> None:
    sign(release.with_name(SUMS), str(key))
    signers = signers_file(tmp_path / "signers of mine", me=key)
    assert 'Good "ssiuml-release" signature for me@example.org' in make_succeeds(
        release, "check", f"SIGNERS={signers}"
    )


def test_without_signers_a_good_signature_passes_and_its_key_is_reported_as_not_verified(
    release: Path, key: Path
) -> None:
    sign(release.with_name(SUMS), str(key))
    assert "signed by a key that is not verified; SIGNERS=FILE" in make_succeeds(release, "check")


@pytest.mark.parametrize("known", [True, False], ids=["signers", "no signers"])
def test_a_signature_over_another_list_is_found(
    release: Path, tmp_path: Path, key: Path, known: bool
) -> None:
    sign(release.with_name(SUMS), str(key))
    with release.with_name(SUMS).open("a") as stream:
        stream.write(f"{'1' * 64}  more.tar.xz\n")
    variables = [f"SIGNERS={signers_file(tmp_path / 'signers', me=key)}"] if known else []
    assert f"../{SUMS}.sig is" in make_fails(release, "check", *variables)


def test_a_signature_of_an_unknown_signer_is_found(release: Path, tmp_path: Path, key: Path) -> None:
    sign(release.with_name(SUMS), str(key))
    signers = signers_file(tmp_path / "signers", them=ssh_key(tmp_path / "other"))
    assert f"../{SUMS}.sig is not a good signature by a signer in {signers}" in make_fails(
        release, "check", f"SIGNERS={signers}"
    )
    assert f"../{SUMS}.sig is not a good signature by" in make_fails(
        release, "check", f"SIGNERS={tmp_path / 'absent'}"
    )


def test_a_missing_signature_is_found_if_signers_are_given(release: Path, tmp_path: Path, key: Path) -> None:
    signers = signers_file(tmp_path / "signers", me=key)
    assert "is not signed" in make_fails(release, "check", f"SIGNERS={signers}")


def test_signatures_of_gpg_are_checked(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gpg_home(tmp_path / "gnupg") as environ:
        monkeypatch.setenv("GNUPGHOME", environ["GNUPGHOME"])
        fingerprint = gpg_key(environ, "Someone <someone@example.org>")
        sign(release.with_name(SUMS), f"gpg:{fingerprint}")
        make_succeeds(release, "check")
        revocation = tmp_path / "gnupg" / "openpgp-revocs.d" / f"{fingerprint}.rev"
        (tmp_path / "revocation").write_text(revocation.read_text().replace("\n:-----", "\n-----"))
        signature = release.with_name(f"{SUMS}.asc").read_text()
        with release.with_name(SUMS).open("a") as stream:
            stream.write(f"{'1' * 64}  more.tar.xz\n")
        assert "is not a good signature" in make_fails(release, "check")
        sign(release.with_name(SUMS), f"gpg:{fingerprint}")
        assert release.with_name(f"{SUMS}.asc").read_text() != signature
        output_of("gpg", "--batch", "--import", tmp_path / "revocation")
        assert "expired or revoked" in make_fails(release, "check")


def test_shellcheck_finds_no_fault_with_setup() -> None:
    output_of("shellcheck", TEMPLATES / "setup")
