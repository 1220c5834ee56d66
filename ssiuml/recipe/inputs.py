"""The keys `sources`, `cluster_tools`, `demo`, `opengfs`, `files`: what an image has besides packages."""

from pathlib import PurePosixPath
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, model_validator

from ssiuml.recipe import values as v
from ssiuml.recipe.choice import ByForm
from ssiuml.recipe.problems import wrong
from ssiuml.recipe.section import Section
from ssiuml.units import GIB, format_size


class Download(Section):
    """A file that is fetched, verified and kept in the cache."""

    urls: v.ListOf[v.Url] = Field(
        min_length=1,
        description="its address, or those of several mirrors in the order in which they are tried",
    )
    file: v.FileName | None = Field(
        None, description="its name among the downloads, if not the last part of the first URL"
    )
    limit_bytes: Annotated[
        v.Size,
        v.within(1, 64 * GIB, "write a size in this range: nothing larger is ever fetched", format_size),
    ] = Field(GIB, alias="limit", description="the largest size that is accepted")
    sha256: v.Sha256 | None = Field(None, description="its SHA-256; without it the first download decides")

    @property
    def file_name(self) -> str:
        """Its name among the downloads."""
        return self.file or _last_part(self.urls[0])

    @property
    def published_name(self) -> str:
        """The name under which it was published."""
        return _last_part(self.urls[0])

    @model_validator(mode="after")
    def _has_a_name(self) -> "Download":
        if not v.is_file_name(self.file_name):
            raise wrong(f"{self.urls[0]} does not end in the name of a file", "give it one: file: NAME")
        return self


def _last_part(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name


class FromSource(Section):
    """Something that one of the sources has."""

    source: v.SourceName = Field(description="one of the sources")


class FromFolder(Section):
    """Something in a folder of the user."""

    folder: v.HostPath = Field(description="a folder; a relative path begins at the recipe's folder")


FromSourceOrFolder = Annotated[FromFolder | FromSource, ByForm()]
ClusterTools = Annotated[Literal["builtin"] | FromFolder | FromSource, ByForm()]


class Demo(Section):
    """The demonstration program of the SSI/UML HOWTO, 3.1 and 5.6."""

    source: v.SourceName = Field(description="one of the sources: an archive with one folder in it")
    path: v.ImagePath = Field("/root/dbdemo", description="the folder in the image that it is unpacked to")


class OpenGfs(Section):
    """OpenGFS, built for User-Mode Linux (HOWTO 4.7)."""

    source: v.SourceName = Field(description="one of the sources: OpenGFS's source")
    kernel_tree: v.HostPath | None = Field(
        None, description="the folder of the configured kernel source; null for that of the kernel built here"
    )


class UserFile(Section):
    """A file of the user that is put into the image."""

    path: v.ImagePath = Field(description="its path in the image")
    content: str | None = Field(None, description="its text, if it has no source")
    source: v.RelativePath | None = Field(
        None, description="the file to copy, by its path from the recipe's folder"
    )
    mode: v.OctalMode = Field("0644", description="its permissions, in octal")
    uid: Annotated[int, v.within(0, 2**32 - 2, "write the number of a user")] = Field(
        0, description="the number of its owner"
    )
    gid: Annotated[int, v.within(0, 2**32 - 2, "write the number of a group")] = Field(
        0, description="the number of its group"
    )

    @property
    def mode_bits(self) -> int:
        """The permissions as a number."""
        return int(self.mode, 8)

    @model_validator(mode="after")
    def _has_one_origin(self) -> "UserFile":
        if (self.content is None) == (self.source is None):
            how = "neither content nor source" if self.content is None else "both content and source"
            raise wrong(f"{self.path} has {how}", "give it content: TEXT or source: FILE, one of them")
        return self
