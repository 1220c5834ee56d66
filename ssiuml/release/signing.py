"""Sign a release and verify it: tarballs against SHA256SUMS, that against its signature.

ssh-keygen(1) or gpg(1) sign and verify, with a key of the user.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.digests import file_sha256
from ssiuml.host.files import replacing, scratch_folder
from ssiuml.host.run import PLAIN_LANGUAGE, CommandError, run
from ssiuml.host.tools import GPG, HostTool
from ssiuml.release import checksums

NAMESPACE: Final = "ssiuml-release"  # ssh-keygen accepts a signature for this purpose only
LIMIT_S: Final = 300.0  # an agent may wait for a password or a touch
SSH_SUFFIX, GPG_SUFFIX = ".sig", ".asc"
_GPG: Final = "gpg:"


def sign(path: Path, key: str) -> Path:
    """Sign *path* with *key*, the file of an ssh key or gpg:KEY; return the signature, a file beside *path*.

    Raise SsiumlError if the key is missing or the program refuses to sign.
    """
    if key.startswith(_GPG):
        target = path.with_name(path.name + GPG_SUFFIX)
        words = [
            "gpg",
            "--batch",
            "--yes",
            "--local-user",
            key.removeprefix(_GPG),
            "--armor",
            "--detach-sign",
        ]
        with replacing(target) as part:
            _call([*words, "--output", str(part), str(path)], f"{path} cannot be signed with {key}")
        return target
    if not Path(key).is_file():
        raise SsiumlError(
            f"SSIUML_SIGNING_KEY: '{key}' is not a file",
            hint="name the file of an ssh key, or gpg:FINGERPRINT",
        )
    target = path.with_name(path.name + SSH_SUFFIX)
    # ssh-keygen chooses the name of the signature, and asks before it overwrites one.
    with scratch_folder(path.parent, ".sign") as scratch, replacing(target) as part:
        copy = scratch / path.name
        copy.write_bytes(path.read_bytes())
        words = ["ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", NAMESPACE, str(copy)]
        _call(words, f"{path} cannot be signed with {key}")
        part.write_bytes(copy.with_name(copy.name + SSH_SUFFIX).read_bytes())
    return target


def tools(key: str | None) -> list[HostTool]:
    """Return the programs that signing with *key* needs beside those of every build."""
    return [GPG] if key is not None and key.startswith(_GPG) else []


def signature_of(path: Path) -> Path | None:
    """Return the signature beside *path*. Return None if there is no signature."""
    names = [path.with_name(path.name + suffix) for suffix in (SSH_SUFFIX, GPG_SUFFIX)]
    return next((name for name in names if name.is_file()), None)


def remove_signatures(path: Path) -> None:
    """Remove the signatures beside *path*, which belong to its previous contents."""
    for suffix in (SSH_SUFFIX, GPG_SUFFIX):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def verify_signature(path: Path, signers: Path | None) -> str:
    """Return a line that says who signed *path*.

    *signers* is a file of trusted signers in ssh-keygen's form (ALLOWED SIGNERS); gpg uses its own key ring.
    Without *signers* an ssh signature proves only which key made it, and the line says so. Raise SsiumlError
    if the signature is not good or cannot be checked, or if it is missing and *signers* are given.
    """
    signature = signature_of(path)
    if signature is None:
        if signers is not None:
            raise SsiumlError(f"{path}: is not signed: there is no {path.name}{SSH_SUFFIX} beside it")
        return "not signed"
    wrong = f"{signature}: is not a good signature of {path.name}"
    if signature.suffix == GPG_SUFFIX:
        words = ["gpg", "--batch", "--status-fd=1", "--verify", str(signature), str(path)]
        said = _judge(words, signature, wrong)
        # gpg accepts expired and revoked keys too, but prints GOODSIG only for others.
        who = re.search(r"^\[GNUPG:\] GOODSIG [0-9A-F]+ (.*)$", said, re.MULTILINE)
        if who is None:
            raise SsiumlError(f"{wrong}: its key is expired or revoked", hint="run gpg --verify for details")
        return f"signed by {who[1]}"
    content = path.read_bytes()
    if signers is None:
        words = ["ssh-keygen", "-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(signature)]
        said = _judge(words, signature, wrong, content).strip()
        return f"signed by a key that is not verified (signers=FILE verifies it): {said}"
    common = ["-f", str(signers), "-s", str(signature)]
    words = ["ssh-keygen", "-Y", "find-principals", *common]
    found = _judge(words, signature, f"{wrong}, or its signer is not in {signers}")
    who_signed = found.splitlines()[0].split(",")[0]
    words = ["ssh-keygen", "-Y", "verify", "-I", who_signed, "-n", NAMESPACE, *common]
    _judge(words, signature, wrong, content)
    return f"signed by {who_signed}"


def verify_release(folder: Path, signers: Path | None) -> Iterator[str]:
    """Yield a line for the signature of SHA256SUMS in *folder* and for each tarball that it lists.

    *signers* is as for verify_signature. Raise SsiumlError at the first fault: a bad signature, or a tarball
    that is missing, changed or not listed.
    """
    digests = checksums.read_checksums(folder)
    path = folder / checksums.NAME
    yield f"{path}: {verify_signature(path, signers)}"
    for name, digest in digests.items():
        if not (folder / name).is_file():
            raise SsiumlError(f"{folder / name}: is missing, but {path} lists it")
        if (found := file_sha256(folder / name)) != digest:
            raise SsiumlError(
                f"{folder / name}: was changed: its SHA-256 is {found}, {path} has {digest}",
                hint="fetch it again, or run ./run release",
            )
        yield f"{folder / name}: as in {checksums.NAME}"
    unlisted = [tarball.name for tarball in sorted(folder.glob("*.tar.*")) if tarball.name not in digests]
    if unlisted:
        raise SsiumlError(f"{folder / unlisted[0]}: is not listed in {path}", hint="remove it")


def _judge(words: list[str], signature: Path, wrong: str, stdin: bytes | None = None) -> str:
    """Run a program that verifies *signature*. Return its output.

    Raise SsiumlError with *wrong* if the signature is not good. Raise another SsiumlError if there is no
    verdict: the program is missing or takes too long, or gpg does not have the signer's key.
    """
    try:
        return _run(words, stdin)
    except CommandError as error:
        if error.status is None:
            raise SsiumlError(f"{signature}: cannot be checked: {error}") from error
        unknown = re.search(r"^\[GNUPG:\] NO_PUBKEY ([0-9A-F]+)$", error.output, re.MULTILINE)
        if unknown is not None:
            raise SsiumlError(
                f"{signature}: cannot be checked: gpg does not have the signer's key {unknown[1]}",
                hint="run gpg --import with the key of a signer whom you trust",
            ) from error
        raise SsiumlError(f"{wrong}: {error}") from error


def _call(words: list[str], problem: str) -> str:
    try:
        return _run(words)
    except CommandError as error:
        raise SsiumlError(f"{problem}: {error}") from error


def _run(words: list[str], stdin: bytes | None = None) -> str:
    # Warnings stay out of what the caller reads.
    return run(words, timeout_s=LIMIT_S, stdin=stdin, env=PLAIN_LANGUAGE, merge_stderr=False)
