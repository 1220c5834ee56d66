"""Programs and kernel modules for 32-bit PCs, as bytes."""

import struct
from collections.abc import Mapping
from typing import Final

# Prints its arguments, its own name first, with spaces between them and a line end. To be read with
# `objdump -b binary -m i386 -D`; PROGRAM_SOURCE is what it was assembled from.
PROGRAM_SOURCE: Final = """
        .globl _start
_start: pop %edi                # how many arguments are left
next:   pop %ecx
        xor %edx, %edx
length: cmpb $0, (%ecx,%edx)
        je found
        inc %edx
        jmp length
found:  movb $' ', (%ecx,%edx)  # in place of the NUL
        dec %edi
        jnz print
        movb $'\\n', (%ecx,%edx)
print:  inc %edx
        mov $1, %ebx
        mov $4, %eax            # write
        int $0x80
        test %edi, %edi
        jnz next
        xor %ebx, %ebx
        mov $1, %eax            # exit
        int $0x80
"""
PROGRAM_CODE: Final = bytes.fromhex(
    "5f5931d2803c1100740342ebf7c60411204f7504c604110a42bb01000000b804000000cd8085ff75d831dbb801000000cd80"
)
_ADDRESS: Final = 0x08048000
_FILE_HEADER: Final = struct.Struct("<16sHHIIIIIHHHHHH")
_PROGRAM_HEADER: Final = struct.Struct("<8I")
_SECTION_HEADER: Final = struct.Struct("<10I")
_SYMBOL: Final = struct.Struct("<IIIBBH")
_IDENT: Final = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
_RELOCATABLE, _EXECUTABLE, _I386 = 1, 2, 3
_PROGBITS, _SYMTAB, _STRTAB = 1, 2, 3
_ALLOC, _EXEC = 2, 4
_GLOBAL_FUNCTION: Final = 0x12
# xor %eax, %eax; ret
_NOTHING_DONE: Final = bytes.fromhex("31c0c3").ljust(16, b"\x90")


def program(tag: str) -> bytes:
    """A static program that prints its arguments. *tag*, behind its code, makes it another file."""
    body = PROGRAM_CODE + b"\0" + tag.encode() + b"\0"
    headers = _FILE_HEADER.size + _PROGRAM_HEADER.size
    size = headers + len(body)
    header = _FILE_HEADER.pack(
        _IDENT, _EXECUTABLE, _I386, 1, _ADDRESS + headers, _FILE_HEADER.size, 0, 0, 52, 32, 1, 40, 0, 0
    )
    load = _PROGRAM_HEADER.pack(1, 0, _ADDRESS, _ADDRESS, size, size, 5, 0x1000)
    return header + load + body


def module(kernel: str, **info: str) -> bytes:
    """A module as Linux 2.4 loads them: init_module, cleanup_module, and .modinfo with the kernel's version.

    Source: insmod(8) of modutils 2.4 and include/linux/module.h of Linux 2.4.
    """
    pairs: Mapping[str, str] = {"kernel_version": kernel, **info}
    modinfo = b"".join(f"{key}={value}\0".encode() for key, value in pairs.items())
    names = b"\0init_module\0cleanup_module\0"
    symbols = _SYMBOL.pack(0, 0, 0, 0, 0, 0)
    for number, name in enumerate((b"init_module", b"cleanup_module")):
        symbols += _SYMBOL.pack(names.index(name), 16 * number, 3, _GLOBAL_FUNCTION, 0, 1)
    sections = [
        (".text", _PROGBITS, _ALLOC | _EXEC, _NOTHING_DONE * 2, 0, 0, 16, 0),
        (".modinfo", _PROGBITS, _ALLOC, modinfo, 0, 0, 1, 0),
        # linked to the names that follow; all symbols but the first are global
        (".symtab", _SYMTAB, 0, symbols, 4, 1, 4, _SYMBOL.size),
        (".strtab", _STRTAB, 0, names, 0, 0, 1, 0),
    ]
    titles = b"\0" + b"".join(name.encode() + b"\0" for name, *_ in sections) + b".shstrtab\0"
    sections.append((".shstrtab", _STRTAB, 0, titles, 0, 0, 1, 0))
    body, table = b"", _SECTION_HEADER.pack(*[0] * 10)
    for section, kind, flags, data, link, about, align, entry in sections:
        body += bytes(-(_FILE_HEADER.size + len(body)) % align)
        title, offset = titles.index(section.encode() + b"\0"), _FILE_HEADER.size + len(body)
        table += _SECTION_HEADER.pack(title, kind, flags, 0, offset, len(data), link, about, align, entry)
        body += data
    body += bytes(-(_FILE_HEADER.size + len(body)) % 4)
    count = len(sections) + 1
    header = _FILE_HEADER.pack(
        _IDENT, _RELOCATABLE, _I386, 1, 0, 0, _FILE_HEADER.size + len(body), 0, 52, 0, 0, 40, count, count - 1
    )
    return header + body + table
