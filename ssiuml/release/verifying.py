"""Verify a release: the tarballs by SHA256SUMS, that by its signature."""

from collections.abc import Iterator
from pathlib import Path

from ssiuml.host.digests import file_sha256
from ssiuml.release import ReleaseError, checksums, signing


def verify_release(folder: Path, signers: Path | None) -> Iterator[str]:
    """Yield a line for each thing that is as it should be; *signers* as for ssiuml.release.signing.verify.

    ReleaseError for the first that is not: a tarball that is missing, changed or not listed, a bad signature.
    """
    digests = checksums.read_checksums(folder)
    path = folder / checksums.NAME
    yield f"{path}: {signing.verify(path, signers)}"
    for name, digest in digests.items():
        if not (folder / name).is_file():
            raise ReleaseError(f"{folder / name}: is missing, {path} lists it")
        if (found := file_sha256(folder / name)) != digest:
            raise ReleaseError(
                f"{folder / name}: was changed: its SHA-256 is {found}, in {path} {digest}",
                hint="fetch it again, or make it again: ./run release",
            )
        yield f"{folder / name}: as in {checksums.NAME}"
    unlisted = [tarball.name for tarball in sorted(folder.glob("*.tar.*")) if tarball.name not in digests]
    if unlisted:
        raise ReleaseError(f"{folder / unlisted[0]}: is not listed in {path}", hint="remove it")
