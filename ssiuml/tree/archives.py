"""Unpacks source archives (tar, also compressed) into a folder as an ordinary user; no member can leave it.

tarfile's own extraction is not safe enough: its filters came with Python 3.11.4 (Debian 12 has 3.11.2), and
let members out of the folder up to 3.11.12 (CVE-2025-4517). GNU tar makes links that lead out. Here the
target of a link may have ``..`` only at its beginning and no higher than the archive's top, and no member
lies behind a link. So every path stays inside.
"""

import os
import shutil
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self

from ssiuml.errors import SsiumlError
from ssiuml.host.files import CHUNK_BYTES, part_of
from ssiuml.tree.compressed import open_compressed, write_sparsely
from ssiuml.tree.members import VOLUME_LABEL, name_of
from ssiuml.tree.tarheader import Header
from ssiuml.units import format_size

_HINT: Final = "check that it is the right archive; nothing was unpacked"


def unpack(archive: Path, target: Path, limit_bytes: int) -> None:
    """Unpack *archive*, compressed or not, into the new folder *target*.

    All files belong to the user. Set-id bits and the right of group and others to write are dropped, times
    are kept, blocks of zeros become holes. The folder appears under its name when it is whole.

    Raise SsiumlError, with archive and member, for paths and links that lead out of the folder, for devices
    and FIFOs, if all members together have more than *limit_bytes*, and if the file is damaged or cut off.
    Raise OSError if *target* cannot be written. The caller makes sure that only one process unpacks to
    *target* at a time.
    """
    part = part_of(target)
    part.parent.mkdir(parents=True, exist_ok=True)
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(mode=0o700)
    try:
        with open_compressed(archive) as stream:
            _Unpacker(archive, part, limit_bytes).run(stream)
        # Nobody else may look into the folder before it is whole. From now on its members' modes decide.
        part.chmod(0o755)
        part.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


class _StrictHeader(Header):
    """A member's header. Only a block of zeros ends an archive; for tarfile a damaged header does so too."""

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
class _Unpacker:
    """Unpacks one archive into the folder *root*, which is new and belongs to this process alone."""

    archive: Path
    root: Path
    limit_bytes: int
    size_bytes: int = 0  # of the members so far
    made: dict[str, str] = field(default_factory=dict)  # by path: "folder", "file" or "link"
    folder_times: dict[str, float] = field(
        default_factory=dict
    )  # set last: unpacking into a folder changes it

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
                    if info.type != VOLUME_LABEL:
                        info.name = name_of(info)
                        self._unpack_member(members, info)
                    members.members.clear()  # type: ignore[attr-defined]  # tarfile would keep every header
        except (tarfile.TarError, ValueError, OverflowError) as error:
            raise SsiumlError(
                f"{self.archive}: cannot be read as a tar archive: {error}", hint=_HINT
            ) from error
        for path, mtime_s in self.folder_times.items():
            os.utime(self.root / path, (mtime_s, mtime_s))

    def _unpack_member(self, members: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        self.size_bytes += max(info.size, 0)
        if self.size_bytes > self.limit_bytes:
            raise self._refused(
                info, f"is beyond the limit: all members have more than {format_size(self.limit_bytes)}"
            )
        names = self._names(info, info.name, "path")
        path = "/".join(names)
        if not names:
            if not info.isdir():
                raise self._refused(info, "has no name")
            return
        self._make_parents(info, names)
        place = self.root / path
        if info.isdir():
            self._make_folder(info, path)
        else:
            self._remove_earlier(info, path)
            if info.isreg():
                self._make_file(members, info, place)
            elif info.issym():
                place.symlink_to(self._symlink_target(info, len(names) - 1))
            elif info.islnk():
                place.hardlink_to(self.root / self._hard_link_target(info, path))
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
            raise self._refused(info, f"has the {what} '{path}', in which '..' and NUL are not allowed")
        return names

    def _make_parents(self, info: tarfile.TarInfo, names: list[str]) -> None:
        for depth in range(1, len(names)):
            path = "/".join(names[:depth])
            kind = self.made.get(path)
            if kind is None:
                (self.root / path).mkdir()
                (self.root / path).chmod(0o755)
                self.made[path] = "folder"
            elif kind != "folder":
                raise self._refused(info, f"lies behind '{path}', which is a {kind}")

    def _make_folder(self, info: tarfile.TarInfo, path: str) -> None:
        kind = self.made.setdefault(path, "folder")
        if kind != "folder":
            raise self._refused(info, f"is a folder, but a {kind} before it has the same name")
        (self.root / path).mkdir(exist_ok=True)
        (self.root / path).chmod(info.mode & 0o755 | 0o700)
        self.folder_times[path] = info.mtime

    def _remove_earlier(self, info: tarfile.TarInfo, path: str) -> None:
        # tar --append puts a later version of a file behind the first.
        kind = self.made.get(path)
        if kind == "folder":
            raise self._refused(info, "has the name of a folder before it")
        if kind is not None:
            (self.root / path).unlink()

    def _make_file(self, members: tarfile.TarFile, info: tarfile.TarInfo, place: Path) -> None:
        content = members.extractfile(info)
        if content is None or info.size < 0:
            raise self._refused(info, "has no content")
        with place.open("xb") as stream:
            while chunk := content.read(CHUNK_BYTES):
                write_sparsely(stream, chunk)
            stream.truncate(stream.tell())
            os.fchmod(stream.fileno(), info.mode & 0o755 | 0o600)
        if place.stat().st_size != info.size:
            raise self._refused(info, "is cut off")
        os.utime(place, (info.mtime, info.mtime))

    def _symlink_target(self, info: tarfile.TarInfo, depth: int) -> str:
        """Return the target of a symbolic link, *depth* folders deep. Raise if it may lead outside."""
        target = info.linkname
        if not target or target.startswith("/") or "\0" in target:
            raise self._refused(info, f"is a link to '{target}', which is outside")
        names = [name for name in target.split("/") if name not in ("", ".")]
        climbs = next((index for index, name in enumerate(names) if name != ".."), len(names))
        # A later ".." would climb from the place that the links before it lead to.
        if climbs > depth or ".." in names[climbs:]:
            raise self._refused(info, f"is a link to '{target}', which may lead outside")
        return target

    def _hard_link_target(self, info: tarfile.TarInfo, path: str) -> str:
        target = "/".join(self._names(info, info.linkname, "link"))
        if target == path or self.made.get(target) != "file":
            raise self._refused(
                info, f"is a hard link to '{info.linkname}', but no file before it has that name"
            )
        return target

    def _refused(self, info: tarfile.TarInfo, why: str) -> SsiumlError:
        return SsiumlError(f"{self.archive}: member '{info.name}' {why}", hint=_HINT)
