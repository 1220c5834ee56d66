"""Signatures over SHA256SUMS, and verifying a release; ssh-keygen and gpg judge the signatures."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from files_on_disk import write_files
from programs import output_of
from signing_keys import gpg_home, gpg_key, signers_file, ssh_key

from ssiuml.errors import SsiumlError
from ssiuml.release import signing
from ssiuml.release.checksums import NAME, digests_below, write_checksums
from ssiuml.release.signing import (
    NAMESPACE,
    remove_signatures,
    sign,
    signature_of,
    verify_release,
    verify_signature,
)

WHO = "Someone <someone@example.org>"


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    (tmp_path / "release").mkdir()
    path = tmp_path / "release" / "SHA256SUMS"
    path.write_text("0" * 64 + "  x\n")
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return ssh_key(tmp_path / "key")


@pytest.fixture
def other_key(tmp_path: Path) -> Path:
    return ssh_key(tmp_path / "other")


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An empty key ring, which gpg uses."""
    with gpg_home(tmp_path / "gnupg") as environ:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        yield environ


def _names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def test_ssh_keygen_accepts_the_signature_for_its_purpose_only(tmp_path: Path, sums: Path, key: Path) -> None:
    signature = sign(sums, str(key))
    assert _names(sums) == ["SHA256SUMS", "SHA256SUMS.sig"]
    signers = signers_file(tmp_path / "signers", me=key)
    words: list[str | Path] = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-I",
        "me@example.org",
        "-f",
        signers,
        "-s",
        signature,
        "-n",
    ]
    for namespace, status in ((NAMESPACE, 0), ("git", 255)):
        judged = subprocess.run(
            [*words, namespace], input=sums.read_bytes(), capture_output=True, check=False
        )
        assert judged.returncode == status


def test_gpg_accepts_the_signature(sums: Path, ring: dict[str, str]) -> None:
    fingerprint = gpg_key(ring, WHO)
    signature = sign(sums, f"gpg:{fingerprint}")
    assert _names(sums) == ["SHA256SUMS", "SHA256SUMS.asc"]
    assert f"VALIDSIG {fingerprint}" in output_of("gpg", "--status-fd=1", "--verify", signature, sums)
    assert signature.read_text().startswith("-----BEGIN PGP SIGNATURE-----")


def test_signing_again_replaces_the_signature(tmp_path: Path, sums: Path, key: Path) -> None:
    sign(sums, str(key))
    sums.write_text("1" * 64 + "  x\n")
    sign(sums, str(key))
    assert "signed by me@example.org" in verify_signature(sums, signers_file(tmp_path / "signers", me=key))


def test_gpg_signs_again_without_a_question(sums: Path, ring: dict[str, str]) -> None:
    gpg_key(ring, WHO)
    sign(sums, f"gpg:{WHO}")
    sums.write_text("1" * 64 + "  x\n")
    sign(sums, f"gpg:{WHO}")
    assert verify_signature(sums, None) == f"signed by {WHO}"


def test_the_signer_is_named_among_several(tmp_path: Path, sums: Path, key: Path, other_key: Path) -> None:
    sign(sums, str(key))
    assert (
        verify_signature(sums, signers_file(tmp_path / "signers", them=other_key, me=key))
        == "signed by me@example.org"
    )


def test_lines_without_a_key_in_the_signers_file_are_ignored(tmp_path: Path, sums: Path, key: Path) -> None:
    sign(sums, str(key))
    signers = signers_file(tmp_path / "signers", me=key)
    signers.write_text(f"someone@example.org junk\n# comment\n\n{signers.read_text()}")
    assert verify_signature(sums, signers) == "signed by me@example.org"


def test_a_signer_who_is_not_listed_is_refused(
    tmp_path: Path, sums: Path, key: Path, other_key: Path
) -> None:
    sign(sums, str(key))
    with pytest.raises(SsiumlError, match="its signer is not in"):
        verify_signature(sums, signers_file(tmp_path / "signers", them=other_key))


def test_a_signer_listed_for_another_purpose_is_refused(tmp_path: Path, sums: Path, key: Path) -> None:
    sign(sums, str(key))
    signers = tmp_path / "signers"
    signers.write_text(f'me@example.org namespaces="git" {key.with_suffix(".pub").read_text()}')
    with pytest.raises(SsiumlError, match="is not a good signature"):
        verify_signature(sums, signers)


def test_a_signature_made_for_another_purpose_is_refused(tmp_path: Path, sums: Path, key: Path) -> None:
    output_of("ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", "git", sums)
    for signers in (None, signers_file(tmp_path / "signers", me=key)):
        with pytest.raises(SsiumlError, match="is not a good signature"):
            verify_signature(sums, signers)


def test_without_signers_the_key_is_named_as_not_verified(sums: Path, key: Path) -> None:
    sign(sums, str(key))
    said = verify_signature(sums, None)
    assert "signed by a key that is not verified" in said
    fingerprint = output_of("ssh-keygen", "-l", "-f", key.with_suffix(".pub")).split()[1]
    assert fingerprint in said


@pytest.mark.parametrize("known", [True, False], ids=["signers", "no signers"])
def test_a_changed_file_is_refused(tmp_path: Path, sums: Path, key: Path, known: bool) -> None:
    sign(sums, str(key))
    sums.write_text(sums.read_text().replace("0", "1", 1))
    with pytest.raises(SsiumlError, match="is not a good signature"):
        verify_signature(sums, signers_file(tmp_path / "signers", me=key) if known else None)


def test_a_damaged_signature_is_refused(sums: Path, key: Path) -> None:
    signature = sign(sums, str(key))
    signature.write_text(signature.read_text()[:100])
    with pytest.raises(SsiumlError, match="is not a good signature"):
        verify_signature(sums, None)


def test_a_missing_signature_is_reported_and_is_refused_if_signers_are_given(
    tmp_path: Path, sums: Path, key: Path
) -> None:
    sign(sums, str(key))
    remove_signatures(sums)
    assert signature_of(sums) is None
    assert verify_signature(sums, None) == "not signed"
    with pytest.raises(SsiumlError, match="is not signed"):
        verify_signature(sums, signers_file(tmp_path / "signers", me=key))


def test_a_missing_signers_file_is_refused(tmp_path: Path, sums: Path, key: Path) -> None:
    sign(sums, str(key))
    with pytest.raises(SsiumlError, match=r"signers: .*No such file|no-signers"):
        verify_signature(sums, tmp_path / "no-signers")


def test_a_file_changed_after_gpg_signed_it_is_refused(sums: Path, ring: dict[str, str]) -> None:
    gpg_key(ring, WHO)
    sign(sums, f"gpg:{WHO}")
    sums.write_text("changed")
    with pytest.raises(SsiumlError, match="BAD signature"):
        verify_signature(sums, None)


def test_a_key_that_gpg_does_not_know_is_refused(
    tmp_path: Path, sums: Path, ring: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpg_key(ring, WHO)
    sign(sums, f"gpg:{WHO}")
    with gpg_home(tmp_path / "empty") as environ:
        monkeypatch.setenv("GNUPGHOME", environ["GNUPGHOME"])
        with pytest.raises(SsiumlError) as caught:
            verify_signature(sums, None)
    assert re.fullmatch(
        f"{re.escape(str(sums))}.asc: cannot be checked: gpg does not have the signer's key [0-9A-F]{{16}}\n"
        "  run gpg --import with the key of a signer whom you trust",
        str(caught.value),
    )


def test_a_revoked_key_is_refused(sums: Path, ring: dict[str, str], tmp_path: Path) -> None:
    fingerprint = gpg_key(ring, WHO)
    sign(sums, f"gpg:{WHO}")
    # gpg writes a revocation beside a new key; a colon keeps it from being used.
    revocation = (Path(ring["GNUPGHOME"]) / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
    (tmp_path / "revocation").write_text(revocation.replace("\n:-----", "\n-----"))
    output_of("gpg", "--batch", "--import", tmp_path / "revocation")
    with pytest.raises(SsiumlError, match="revoked"):
        verify_signature(sums, None)


def test_the_language_of_gpg_does_not_matter(
    sums: Path, ring: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpg_key(ring, WHO)
    sign(sums, f"gpg:{WHO}")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    assert verify_signature(sums, None) == f"signed by {WHO}"


def test_a_missing_key_file_is_named(sums: Path, tmp_path: Path) -> None:
    with pytest.raises(SsiumlError, match=re.escape(f"'{tmp_path / 'no-key'}' is not a file")) as caught:
        sign(sums, str(tmp_path / "no-key"))
    assert caught.value.hint is not None
    assert "gpg:" in caught.value.hint
    assert _names(sums) == ["SHA256SUMS"]


def test_a_key_that_gpg_lacks_leaves_no_signature(sums: Path, ring: dict[str, str]) -> None:
    with pytest.raises(SsiumlError, match="No secret key"):
        sign(sums, "gpg:nobody@example.org")
    assert _names(sums) == ["SHA256SUMS"]


def test_a_file_that_is_not_a_key_leaves_no_signature(sums: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key\n")
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(SsiumlError, match="cannot be signed with"):
        sign(sums, str(tmp_path / "key"))
    assert _names(sums) == ["SHA256SUMS"]


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal and no agent can ask for a password; signing ends after 20 seconds."""
    for variable in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_AUTH_SOCK", "SSH_ASKPASS", "GPG_TTY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(signing, "LIMIT_S", 20.0)


@pytest.mark.usefixtures("_alone")
def test_a_password_that_ssh_keygen_cannot_ask_for_is_an_error_within_the_time_limit(
    sums: Path, tmp_path: Path
) -> None:
    key = ssh_key(tmp_path / "locked", password="secret words")  # noqa: S106
    before = sign(sums, str(ssh_key(tmp_path / "open"))).read_bytes()
    with pytest.raises(SsiumlError, match="cannot be signed with") as caught:
        sign(sums, str(key))
    assert "not finished" not in str(caught.value)
    assert _names(sums) == ["SHA256SUMS", "SHA256SUMS.sig"]
    assert signature_of(sums) == sums.with_name("SHA256SUMS.sig")
    assert sums.with_name("SHA256SUMS.sig").read_bytes() == before


@pytest.mark.usefixtures("_alone")
def test_a_password_that_gpg_cannot_ask_for_is_an_error_within_the_time_limit(
    sums: Path, ring: dict[str, str]
) -> None:
    gpg_key(ring, WHO, password="secret words")  # noqa: S106
    output_of("gpgconf", "--kill", "all")  # its agent remembers the password
    with pytest.raises(SsiumlError, match="cannot be signed with") as caught:
        sign(sums, f"gpg:{WHO}")
    assert "not finished" not in str(caught.value)
    assert _names(sums) == ["SHA256SUMS"]


# verify_release

FILES = {"root-1.tar.bz2": b"root", "utils-1.tar.xz": b"utils"}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = write_files(tmp_path / "release", FILES)
    write_checksums(folder, digests_below(folder, {}))
    return folder


@pytest.fixture
def signers(tmp_path: Path, release: Path) -> Path:
    """The file of the signer of the release."""
    key = ssh_key(tmp_path / "key")
    sign(release / NAME, str(key))
    return signers_file(tmp_path / "signers", me=key)


def _lines(folder: Path, signers: Path | None = None) -> list[str]:
    return list(verify_release(folder, signers))


def test_the_signature_and_each_good_tarball_get_a_line(release: Path, signers: Path) -> None:
    assert _lines(release, signers) == [
        f"{release / NAME}: signed by me@example.org",
        *(f"{release / name}: as in {NAME}" for name in sorted(FILES)),
    ]


def test_a_missing_signature_is_reported_first(release: Path) -> None:
    assert _lines(release)[0] == f"{release / NAME}: not signed"


def test_a_changed_tarball_is_named_with_both_digests(release: Path) -> None:
    path = release / "root-1.tar.bz2"
    before = output_of("sha256sum", path).split()[0]
    path.write_bytes(b"Root")
    after = output_of("sha256sum", path).split()[0]
    with pytest.raises(SsiumlError, match=re.escape(f"{path}: was changed")) as caught:
        _lines(release)
    assert before in caught.value.message
    assert after in caught.value.message


def test_a_missing_tarball_is_named(release: Path) -> None:
    (release / "utils-1.tar.xz").unlink()
    with pytest.raises(SsiumlError, match=re.escape(f"{release / 'utils-1.tar.xz'}: is missing")):
        _lines(release)


def test_an_unlisted_tarball_is_named(release: Path) -> None:
    (release / "other-1.tar.zst").write_bytes(b"x")
    with pytest.raises(SsiumlError, match=re.escape(f"{release / 'other-1.tar.zst'}: is not listed")):
        _lines(release)


def test_a_signature_over_other_digests_is_refused(release: Path, signers: Path) -> None:
    (release / "root-1.tar.bz2").write_bytes(b"another root")
    write_checksums(release, digests_below(release, {}))
    for given in (signers, None):
        with pytest.raises(SsiumlError, match="is not a good signature"):
            _lines(release, given)


def test_a_removed_signature_is_noticed_if_signers_are_given(release: Path, signers: Path) -> None:
    (release / f"{NAME}.sig").unlink()
    with pytest.raises(SsiumlError, match="is not signed"):
        _lines(release, signers)


def test_a_list_that_names_a_file_outside_the_folder_is_refused(release: Path) -> None:
    (release.parent / "elsewhere").write_bytes(b"x")
    digest = output_of("sha256sum", release.parent / "elsewhere").split()[0]
    (release / NAME).write_text(f"{digest}  ../elsewhere\n")
    with pytest.raises(SsiumlError, match="is not a line"):
        _lines(release)


def test_a_release_without_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SsiumlError, match="no such file"):
        _lines(tmp_path)
