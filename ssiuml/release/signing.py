"""Signatures over SHA256SUMS, by ssh-keygen(1) or gpg(1), with a key of the user's."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.atomic import replacing
from ssiuml.host.digests import file_sha256
from ssiuml.host.run import PLAIN_LANGUAGE, CommandError, run
from ssiuml.host.scratch import scratch_folder
from ssiuml.host.tools import GPG, HostTool
from ssiuml.release import checksums

NAMESPACE: Final = "ssiuml-release"  # ssh-keygen: what a signature is for, so that it serves for nothing else
LIMIT_S: Final = 300.0  # an agent may ask for a password, or for a touch
SSH_SUFFIX, GPG_SUFFIX = ".sig", ".asc"
_GPG: Final = "gpg:"


def sign(path: Path, key: str) -> Path:
    """Sign *path* with *key*: the file of an ssh key, or gpg:KEY; return the signature's file beside it.

    SsiumlError if that cannot be done.
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
            f"SSIUML_SIGNING_KEY: '{key}' is no file", hint="the file of an ssh key, or gpg:FINGERPRINT"
        )
    target = path.with_name(path.name + SSH_SUFFIX)
    # ssh-keygen asks before it overwrites, and chooses the name itself.
    with scratch_folder(path.parent, ".sign") as scratch, replacing(target) as part:
        copy = scratch / path.name
        copy.write_bytes(path.read_bytes())
        words = ["ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", NAMESPACE, str(copy)]
        _call(words, f"{path} cannot be signed with {key}")
        part.write_bytes(copy.with_name(copy.name + SSH_SUFFIX).read_bytes())
    return target


def tools(key: str | None) -> list[HostTool]:
    """What signing with *key* needs of the host beside what every build needs."""
    return [GPG] if key is not None and key.startswith(_GPG) else []


def signature_of(path: Path) -> Path | None:
    """The signature beside *path*, None if there is none."""
    names = [path.with_name(path.name + suffix) for suffix in (SSH_SUFFIX, GPG_SUFFIX)]
    return next((name for name in names if name.is_file()), None)


def remove_signatures(path: Path) -> None:
    """Remove the signatures beside *path*: they are of what it was before."""
    for suffix in (SSH_SUFFIX, GPG_SUFFIX):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def verify_signature(path: Path, signers: Path | None) -> str:
    """Say in a line who signed *path*, as far as that is known.

    *signers* names those whom the user trusts, in ssh-keygen's form (ALLOWED SIGNERS); gpg goes by its own
    key ring. Without *signers* an ssh signature proves only that its key has made it, which is said.
    SsiumlError if there is no signature although there are *signers*, or it is not good.
    """
    signature = signature_of(path)
    if signature is None:
        if signers is not None:
            raise SsiumlError(f"{path}: is not signed, no {path.name}{SSH_SUFFIX} is beside it")
        return "not signed"
    wrong = f"{signature}: is no good signature of {path.name}"
    if signature.suffix == GPG_SUFFIX:
        said = _call(["gpg", "--batch", "--status-fd=1", "--verify", str(signature), str(path)], wrong)
        # gpg accepts keys that are revoked or expired, too; only of others it says GOODSIG.
        who = re.search(r"^\[GNUPG:\] GOODSIG [0-9A-F]+ (.*)$", said, re.MULTILINE)
        if who is None:
            raise SsiumlError(f"{wrong}: its key is expired or revoked", hint="gpg --verify says more")
        return f"signed by {who[1]}"
    content = path.read_bytes()
    if signers is None:
        words = ["ssh-keygen", "-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(signature)]
        said = _call(words, wrong, content).strip()
        return f"signed, by whom is not verified (signers=FILE): {said}"
    common = ["-f", str(signers), "-s", str(signature)]
    found = _call(["ssh-keygen", "-Y", "find-principals", *common], f"{wrong}, or by nobody in {signers}")
    who_signed = found.splitlines()[0].split(",")[0]
    words = ["ssh-keygen", "-Y", "verify", "-I", who_signed, "-n", NAMESPACE, *common]
    _call(words, wrong, content)
    return f"signed by {who_signed}"


def verify_release(folder: Path, signers: Path | None) -> Iterator[str]:
    """Yield a line for each thing that is as it should be; *signers* as for verify_signature.

    SsiumlError for the first that is not: a tarball that is missing, changed or not listed, a bad signature.
    """
    digests = checksums.read_checksums(folder)
    path = folder / checksums.NAME
    yield f"{path}: {verify_signature(path, signers)}"
    for name, digest in digests.items():
        if not (folder / name).is_file():
            raise SsiumlError(f"{folder / name}: is missing, {path} lists it")
        if (found := file_sha256(folder / name)) != digest:
            raise SsiumlError(
                f"{folder / name}: was changed: its SHA-256 is {found}, in {path} {digest}",
                hint="fetch it again, or make it again: ./run release",
            )
        yield f"{folder / name}: as in {checksums.NAME}"
    unlisted = [tarball.name for tarball in sorted(folder.glob("*.tar.*")) if tarball.name not in digests]
    if unlisted:
        raise SsiumlError(f"{folder / unlisted[0]}: is not listed in {path}", hint="remove it")


def _call(words: list[str], problem: str, stdin: bytes | None = None) -> str:
    try:
        # What is returned is read: no warnings between.
        return run(words, timeout_s=LIMIT_S, stdin=stdin, env=PLAIN_LANGUAGE, merge_stderr=False)
    except CommandError as error:
        raise SsiumlError(f"{problem}: {error}") from error
