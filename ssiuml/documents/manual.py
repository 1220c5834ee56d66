"""All manual pages, as they are installed below share/man."""

from pathlib import Path

from ssiuml.cli.registry import COMMANDS, load_parser
from ssiuml.documents.command_page import command_page, section_of
from ssiuml.documents.overview import configuration_page, overview_page
from ssiuml.host.files import write_text


def write_man_pages(folder: Path, *, version: str, epoch: int) -> list[Path]:
    """Write ``man1/ssi-start.1`` and its like into *folder*; the files that were written.

    *version* is what the pages' foot says, *epoch* their date in seconds since 1970. The same arguments give
    the same bytes.
    """
    pages = {name: command_page(name, load_parser(name), version=version, epoch=epoch) for name in COMMANDS}
    pages["ssiuml"] = overview_page(version=version, epoch=epoch)
    pages["ssiuml.conf"] = configuration_page(version=version, epoch=epoch)
    written = []
    for name, text in pages.items():
        section = section_of(name)
        written.append(folder / f"man{section}" / f"{name}.{section}")
        write_text(written[-1], text)
    return written
