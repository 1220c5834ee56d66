"""The pages that belong to no command: ssiuml(7) and ssiuml.conf(5)."""

from typing import Final

from ssiuml.cli.registry import COMMANDS
from ssiuml.cluster.image_choice import CONFIGURATION_KEYS
from ssiuml.documents.command_page import OTHER_PAGES, references
from ssiuml.documents.facts import CONFIGURATION, FACTS, FORMATS, OVERVIEWS, POOL_FILES, STATE_FOLDER
from ssiuml.documents.roff import Marker, Page, bold, escaped, sentence

_MARK: Final = Marker([*COMMANDS, *OTHER_PAGES], [])
_OVERVIEW: Final = (
    "A cluster of ssiuml is a number of User-Mode Linux processes on one machine, the nodes, that share "
    "one root file system. It runs as an ordinary user: no root, no kernel module, no loop device and no "
    "mount on this machine. Nodes of today join with corosync and DLM and mount GFS2; those of the 2002 "
    "recipe mount GFS1 with a lock server.",
    "An image is a folder with the root, a kernel, an initial RAM disk and manifest.json, which describes "
    "them. ssi-start copies its root and boots nodes from the copy, ssi-exec and ssi-cp reach into them, "
    "ssi-stop ends them. One supervisor process owns a cluster; if it ends, so do the nodes. Several "
    "clusters run side by side, each with a name of its own: --cluster NAME.",
    "A node that crashes, hangs, or is cut off from the others is killed before anything of it is recovered; "
    "the others then go on with all that was synced.",
)
_SESSION: Final = (
    "ssi-start 3",
    "ssi-exec 1 -- 'date >/root/now'",
    "ssi-exec 2 -- cat /root/now",
    "ssi-stop",
)
_FILES: Final = {
    f"{STATE_FOLDER}": "Running clusters, a folder each; pools.json of the commands for file systems.",
    CONFIGURATION: "Other files than the image's, see ssiuml.conf.",
    "PREFIX/lib/ssiuml/RECIPE/": "Images that are installed; PREFIX is mostly /usr/local.",
}
_KEYS: Final = {
    "KERNEL": "The kernel of the nodes, linux-ssi.",
    "ROOT": "The root. If it lies in an image's folder, that image's limits hold.",
    "CIDEV": "The device with the lock table; for a GFS1 root.",
    "INITRD": "The initial RAM disk of the nodes.",
    "INITRD_MEMEXP": "The initial RAM disk of the lock server; for a GFS1 root.",
}


def overview_page(*, version: str, epoch: int) -> str:
    page = Page("ssiuml", OVERVIEWS, version=version, epoch=epoch)
    page.heading("Name")
    page.line(r"ssiuml \- shared\-root clusters of User\-Mode Linux")
    page.heading("Description")
    for text in _OVERVIEW:
        page.paragraph(_MARK(text))
    for title, chosen in (
        ("The running cluster", [name for name in COMMANDS if FACTS[name].files is not POOL_FILES]),
        ("File systems", [name for name in COMMANDS if FACTS[name].files is POOL_FILES]),
    ):
        page.heading(title)
        for name in chosen:
            page.term(references(name), escaped(sentence(FACTS[name].summary)))
    page.heading("Files")
    for name, text in _FILES.items():
        page.term(bold(name), _MARK(text))
    page.heading("Examples")
    page.examples(_SESSION)
    page.heading("See also")
    page.paragraph(references("ssi-start", "ssi-image", "ssiuml.conf"))
    return page.text()


def configuration_page(*, version: str, epoch: int) -> str:
    page = Page("ssiuml.conf", FORMATS, version=version, epoch=epoch)
    page.heading("Name")
    page.line(r"ssiuml.conf \- files that a cluster takes in place of an image\(aqs own")
    page.heading("Synopsis")
    page.paragraph(bold(CONFIGURATION))
    page.heading("Description")
    page.paragraph(
        _MARK(
            "A line each, KEY=FILE. FILE is an absolute path, or begins with ~/ or $HOME/; quotes around it "
            "are taken off. Empty lines and lines that begin with # are left out. A key that is unknown, "
            "there twice, or names no file is an error."
        )
    )
    for key in CONFIGURATION_KEYS:
        page.term(bold(key), escaped(_KEYS[key]))
    page.paragraph(
        _MARK(
            "What ssi-start is told with --recipe or --image goes before; then a key is used only for what "
            "that image does not have. ssi-start says which keys it uses, and which not."
        )
    )
    page.heading("Examples")
    page.examples(["KERNEL=~/src/linux/linux  a kernel of one's own"])
    page.heading("See also")
    page.paragraph(references("ssi-start", "ssiuml"))
    return page.text()
