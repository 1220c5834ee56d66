"""This machine: programs, files, devices, the cache, a build's session, digests, progress."""
