"""Experiments of chapter 04: a mapping of this very Python process, and the file behind it.

    tie()                       one line of /proc/self/maps beside the file and what is in memory
    deleted_and_mapped()        a file without a name, in use

Each raises NotAvailable where there is no live Linux.
"""

from __future__ import annotations

import os
from pathlib import Path

from mmaplab.constants import PAGE_SIZE
from mmaplab.lab import Value
from mmaplab.real import file_mapping, maps, pagemap, residency, warm_file
from mmaplab.real.libc import require_linux


def tie(pages: int = 256, first: int = 100, length: int = 64) -> dict[str, Value]:
    """Map `length` pages of a cached file from page `first` on; compare the line of maps with the file."""
    require_linux()
    with warm_file(pages) as path, file_mapping(path, length * PAGE_SIZE, first * PAGE_SIZE) as m:
        here = [area for area in maps() if area.path == path]
        entries, cached = sum(pagemap(m)), sum(residency(m))
        numbers = [int(m.array[i * PAGE_SIZE : i * PAGE_SIZE + 8].view("<u8")[0]) for i in range(4)]
        return {
            "offset in maps, pages": here[0].offset // PAGE_SIZE,
            "numbers found": numbers,
            "inode in maps is that of fstat": inode_in_maps(m.address) == Path(path).stat().st_ino,
            "mappers of the file in this process": len(here),
            "pages mapped": length,
            "pages in memory": cached,
            "entries": entries,
        }


def inode_in_maps(address: int) -> int:
    """Return the inode that /proc/self/maps names for the area at `address`; proc_pid_maps(5)."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            span, _perms, _offset, _device, inode, *_ = line.split()
            if int(span.split("-")[0], 16) == address:
                return int(inode)
    raise LookupError(f"no area of this process begins at {address:#x}")


def deleted_and_mapped(mebibytes: int = 8) -> dict[str, Value]:
    """Map a file, delete it, unmap it; look at the free space of its file system at each step, in KiB."""
    require_linux()
    with warm_file(mebibytes * 256) as path:
        directory = Path(path).parent
        fd = os.open(path, os.O_RDONLY)
        with file_mapping(path) as m:
            Path(path).unlink()
            gone = [area for area in maps() if area.start == m.address]
            links, text = os.fstat(fd).st_nlink, bytes(m.array[PAGE_SIZE : PAGE_SIZE + 8])
            os.close(fd)
            before = _free(directory)
        Path(path).touch()  # a name again, so that the directory can be cleared as usual
        return {
            "readable after close and unlink": text == (1).to_bytes(8, "little"),
            "maps says deleted": gone[0].path.endswith("(deleted)"),
            "links of the file": links,
            "KiB freed by munmap": _free(directory) - before,
        }


def _free(directory: Path) -> int:
    found = os.statvfs(directory)
    return found.f_bfree * found.f_frsize // 1024
