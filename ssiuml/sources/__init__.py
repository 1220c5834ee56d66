"""Files that are downloaded: from several mirrors, resumed, verified, pinned at their first use."""

from ssiuml.sources.fetch import Fetched, Source, SourceError, fetch, wanted_sha256
from ssiuml.sources.lock import LockFile

__all__ = ["Fetched", "LockFile", "Source", "SourceError", "fetch", "wanted_sha256"]
