"""Source archives (tar, also compressed) unpacked into a folder by an ordinary user; nothing gets out of it.

Not tarfile's own extraction: its filters came with Python 3.11.4 (Debian 12 has 3.11.2), and let members out
of the folder up to 3.11.12 (CVE-2025-4517). Nor GNU tar: it makes links that lead out. Here a link may only
climb at its beginning, no higher than the archive's top, and no member lies behind a link: so every path
stays inside.
"""

import os
import shutil
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self

from ssiuml.errors import SsiumlError
from ssiuml.host.files import CHUNK_BYTES, part_of
from ssiuml.tree.compressed import reading, write_sparsely
from ssiuml.tree.tarheader import Header
from ssiuml.units import format_size

_HINT: Final = "nothing was unpacked; is it the right archive?"


class ArchiveError(SsiumlError):
    """An archive is damaged, or holds what must not be unpacked."""


def unpack(archive: Path, target: Path, limit_bytes: int) -> None:
    """Unpack *archive*, compressed or not, into the new folder *target*.

    All belongs to the user; set-id bits and the right of others to write are dropped, times are kept. Blocks
    of zeros become holes. The folder appears when it is whole. *limit_bytes* bounds what all members have.

    Raises ArchiveError, naming archive and member, for paths and links that lead out of the folder, devices,
    FIFOs and too much in it; UnpackError if the file is damaged or cut off; OSError if *target* cannot be
    written. The caller sees to it that nobody else unpacks to *target* meanwhile.
    """
    part = part_of(target)
    part.parent.mkdir(parents=True, exist_ok=True)
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(mode=0o700)
    try:
        with reading(archive) as stream:
            _Unpacking(archive, part, limit_bytes).run(stream)
        # Its own mode, as the members have theirs: what is inside says who may read it.
        part.chmod(0o755)
        part.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


class _StrictHeader(Header):
    """A member's header. Only a block of zeros ends an archive: for tarfile a damaged header does too."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            what = error if len(buf) == tarfile.BLOCKSIZE else "it is cut off"
            raise tarfile.ReadError(str(what)) from error


@dataclass(slots=True)
class _Unpacking:
    """One archive on its way into the folder *root*, which is new and ours alone."""

    archive: Path
    root: Path
    limit_bytes: int
    size_bytes: int = 0  # of the members so far
    # What has been made, by path: "directory", "file" or "link".
    made: dict[str, str] = field(default_factory=dict)
    folder_times: dict[str, float] = field(default_factory=dict)

    def run(self, stream: IO[bytes]) -> None:
        try:
            with tarfile.open(
                fileobj=stream,
                mode="r|",
                encoding="utf-8",
                errors="surrogateescape",
                tarinfo=_StrictHeader,
            ) as members:
                for info in members:
                    self._take(members, info)
                    members.members.clear()  # type: ignore[attr-defined]  # it would keep every header
        except (tarfile.TarError, ValueError, OverflowError) as error:
            raise ArchiveError(
                f"{self.archive}: cannot be read as a tar archive: {error}", hint=_HINT
            ) from error
        for path, mtime_s in self.folder_times.items():
            os.utime(self.root / path, (mtime_s, mtime_s))

    def _take(self, members: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        self.size_bytes += max(info.size, 0)
        if self.size_bytes > self.limit_bytes:
            raise self._refused(
                info, f"is beyond the limit: there are more than {format_size(self.limit_bytes)}"
            )
        names = self._names(info, info.name, "path")
        path = "/".join(names)
        if not names:
            if not info.isdir():
                raise self._refused(info, "has no name")
            return
        self._make_parents(info, names)
        where = self.root / path
        if info.isdir():
            self._make_directory(info, path)
        else:
            self._clear_the_way(info, path)
            if info.isreg():
                self._make_file(members, info, where)
            elif info.issym():
                where.symlink_to(self._inside(info, len(names) - 1))
            elif info.islnk():
                where.hardlink_to(self.root / self._linked(info, path))
            else:
                raise self._refused(
                    info, f"is of type {info.type!r}; only files, folders and links are unpacked"
                )
            self.made[path] = "link" if info.issym() else "file"

    def _names(self, info: tarfile.TarInfo, path: str, what: str) -> list[str]:
        if path.startswith("/"):
            raise self._refused(info, f"has the absolute {what} '{path}'")
        names = [name for name in path.split("/") if name not in ("", ".")]
        if ".." in names or "\0" in path:
            raise self._refused(info, f"has the {what} '{path}', which leads elsewhere")
        return names

    def _make_parents(self, info: tarfile.TarInfo, names: list[str]) -> None:
        for depth in range(1, len(names)):
            path = "/".join(names[:depth])
            kind = self.made.get(path)
            if kind is None:
                (self.root / path).mkdir()
                (self.root / path).chmod(0o755)
                self.made[path] = "directory"
            elif kind != "directory":
                raise self._refused(info, f"lies behind '{path}', which is a {kind}")

    def _make_directory(self, info: tarfile.TarInfo, path: str) -> None:
        kind = self.made.setdefault(path, "directory")
        if kind != "directory":
            raise self._refused(info, f"is a folder where a {kind} is already")
        (self.root / path).mkdir(exist_ok=True)
        (self.root / path).chmod(info.mode & 0o755 | 0o700)
        self.folder_times[path] = info.mtime

    def _clear_the_way(self, info: tarfile.TarInfo, path: str) -> None:
        # An archive that was added to has a later version of the same file behind the first.
        kind = self.made.get(path)
        if kind == "directory":
            raise self._refused(info, "takes the place of a folder")
        if kind is not None:
            (self.root / path).unlink()

    def _make_file(self, members: tarfile.TarFile, info: tarfile.TarInfo, where: Path) -> None:
        content = members.extractfile(info)
        if content is None or info.size < 0:
            raise self._refused(info, "has no content")
        with where.open("xb") as stream:
            while chunk := content.read(CHUNK_BYTES):
                write_sparsely(stream, chunk)
            stream.truncate(stream.tell())
            os.fchmod(stream.fileno(), info.mode & 0o755 | 0o600)
        if where.stat().st_size != info.size:
            raise self._refused(info, "is cut off")
        os.utime(where, (info.mtime, info.mtime))

    def _inside(self, info: tarfile.TarInfo, depth: int) -> str:
        """The target of a symbolic link that lies *depth* folders deep, if it stays inside."""
        target = info.linkname
        if not target or target.startswith("/") or "\0" in target:
            raise self._refused(info, f"is a link to '{target}', which is outside")
        names = [name for name in target.split("/") if name not in ("", ".")]
        climbs = next((index for index, name in enumerate(names) if name != ".."), len(names))
        # A ".." further on would climb out of wherever the links before it lead.
        if climbs > depth or ".." in names[climbs:]:
            raise self._refused(info, f"is a link to '{target}', which may lead outside")
        return target

    def _linked(self, info: tarfile.TarInfo, path: str) -> str:
        target = "/".join(self._names(info, info.linkname, "link"))
        if target == path or self.made.get(target) != "file":
            raise self._refused(info, f"is a hard link to '{info.linkname}', which is no file before it")
        return target

    def _refused(self, info: tarfile.TarInfo, why: str) -> ArchiveError:
        return ArchiveError(f"{self.archive}: member '{info.name}' {why}", hint=_HINT)
