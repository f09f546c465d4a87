"""Kinds of random programs: which calls, in what dose, on how many pages, with which files.

No single mixture finds every mistake: rules of merging show themselves where twelve pages are mapped and unmapped by
several processes all the time, readahead only in a large file that nobody has read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mmaplab.constants import Madv

LAYOUT = {"mmap": 14, "munmap": 4, "mprotect": 12, "mremap": 9, "madvise": 8}
TOUCH = {"load": 22, "store": 22}
FORKS = {"fork": 4, "exit": 2}
FILES = {"pread": 4, "pwrite": 5, "ftruncate": 5, "read": 2, "write": 2, "lseek": 1}

FLAG_ADVICE = tuple(
    getattr(Madv, f"MADV_{name}")
    for name in ("NORMAL", "RANDOM", "SEQUENTIAL", "DONTFORK", "DOFORK", "DONTDUMP", "DODUMP")
)
"""Advice that changes `vm_flags`, so that areas split and merge."""
DROP_ADVICE = (Madv.MADV_DONTNEED, Madv.MADV_DONTNEED, Madv.MADV_DONTNEED, Madv.MADV_WILLNEED)
POPULATE_ADVICE = (Madv.MADV_POPULATE_READ, Madv.MADV_POPULATE_WRITE)
FORK_ADVICE = (Madv.MADV_WIPEONFORK, Madv.MADV_WIPEONFORK, Madv.MADV_KEEPONFORK)
GUARD_ADVICE = (Madv.MADV_GUARD_INSTALL, Madv.MADV_GUARD_INSTALL, Madv.MADV_GUARD_REMOVE)
RECLAIM_ADVICE = (Madv.MADV_FREE, Madv.MADV_COLD, Madv.MADV_PAGEOUT, Madv.MADV_REMOVE, Madv.MADV_DONTNEED_LOCKED)
HUGE_ADVICE = (Madv.MADV_HUGEPAGE, Madv.MADV_NOHUGEPAGE)
"""Only where no area is large enough for a huge page: then it is one more flag of the area."""


@dataclass(frozen=True)
class Profile:
    """A mixture. `weights` by call; `files` are on the kernel's file system, `memfds` in memory."""

    name: str
    weights: dict[str, int] = field(hash=False)
    arena_pages: int = 64
    """The pages at a fixed address, in the middle of which a page table ends (a multiple of 2 MiB)."""
    processes: int = 1
    files: int = 0
    memfds: int = 0
    file_pages: int = 20
    warm: bool = True
    anonymous: float = 0.5
    """Share of the mappings that are anonymous."""
    direct: float = 0.0
    """Share of the descriptors that are opened with O_DIRECT."""
    grows: float = 0.0
    """Share of the private anonymous mappings that grow downwards."""
    pipes: bool = False
    """Pipes stay open, and bytes go through them; else they are there to be mapped, which fails."""
    populate: float = 0.0
    locked: float = 0.0
    largest_write: int = 3 * 4096
    """Bytes of one write at most; large writes make large folios."""
    advice: tuple[int, ...] = FLAG_ADVICE + DROP_ADVICE
    huge_advice: bool = False
    """Areas may be advised to have huge pages: then none may become large enough for one."""
    executes: bool = False
    """Fetches happen: then all code is in the file `code`, and stores keep to the lower half of a page."""


EVERY = (
    Profile("vma", LAYOUT | TOUCH, anonymous=1.0, advice=(*FLAG_ADVICE, *DROP_ADVICE)),
    Profile(
        "vmaf",
        LAYOUT | TOUCH | {"mincore": 4},
        files=2,
        memfds=1,
        populate=0.1,
        advice=FLAG_ADVICE + DROP_ADVICE + POPULATE_ADVICE,
    ),
    Profile(
        "fork",
        LAYOUT | TOUCH | FORKS | {"execute": 5},
        processes=4,
        files=1,
        anonymous=0.7,
        advice=FLAG_ADVICE + DROP_ADVICE + FORK_ADVICE * 3,
        executes=True,
    ),
    Profile(
        "fmerge",
        {"mmap": 14, "munmap": 4, "mprotect": 24, "mremap": 5, "madvise": 4, "load": 8, "store": 20} | FORKS,
        arena_pages=12,
        processes=5,
        anonymous=0.95,
        files=1,
        advice=FLAG_ADVICE + FORK_ADVICE,
    ),
    Profile("file", {**TOUCH, **FILES, **FORKS, "mmap": 8, "munmap": 3}, processes=3, files=2, memfds=1, anonymous=0.1),
    Profile(
        "sync",
        {"load": 12, "store": 26, "msync": 10, "fsync": 4, "ftruncate": 5, "pwrite": 4, "mmap": 8, "munmap": 2}
        | {"mprotect": 6, "fork": 2},
        processes=3,
        files=2,
        memfds=1,
        anonymous=0.1,
    ),
    Profile(
        "lock",
        LAYOUT | TOUCH | {"mlock": 9, "munlock": 5, "msync": 6, "fork": 2, "ftruncate": 2},
        processes=3,
        files=1,
        memfds=1,
        populate=0.2,
        locked=0.1,
        advice=FLAG_ADVICE + DROP_ADVICE + POPULATE_ADVICE,
    ),
    Profile(
        "big",
        {
            **TOUCH,
            "touch": 5,
            "pwrite": 12,
            "mmap": 10,
            "munmap": 3,
            "mprotect": 4,
            "madvise": 5,
            "ftruncate": 5,
            "pread": 4,
        },
        arena_pages=512,
        files=2,
        file_pages=300,
        anonymous=0.1,
        largest_write=1 << 20,
    ),
    Profile(
        "cold",
        {"load": 30, "pread": 10, "mincore": 25, "madvise": 6, "mmap": 6, "read": 8, "lseek": 3, "store": 6}
        | {"stream": 3, "drop_caches": 3},
        arena_pages=512,
        files=1,
        file_pages=2000,
        warm=False,
        anonymous=0.0,
        advice=(Madv.MADV_NORMAL, Madv.MADV_RANDOM, Madv.MADV_SEQUENTIAL, Madv.MADV_WILLNEED),
    ),
    Profile(
        "names",
        {"open": 14, "close": 8, "dup": 4, "pipe": 1, "memfd_create": 2, "unlink": 4, "fstat": 6, "lseek": 3}
        | {"read": 5, "write": 5, "mmap": 10, "load": 6, "store": 6, "munmap": 2, "fork": 2, "exit": 1, "ftruncate": 3},
        processes=3,
        files=3,
        anonymous=0.1,
    ),
    Profile(
        "limits",
        LAYOUT
        | TOUCH
        | {"brk": 10, "setrlimit": 7, "mlock": 3, "munlock": 1, "fork": 1}
        | {"open": 2, "dup": 2, "pwrite": 6, "ftruncate": 6},
        processes=2,
        files=1,
        anonymous=0.9,
    ),
    Profile(
        "advice",
        {"mmap": 10, "munmap": 2, "mprotect": 5, "mremap": 5, "madvise": 30, "mincore": 5, "mlock": 3, "munlock": 1}
        | TOUCH
        | FORKS,
        processes=3,
        files=2,
        memfds=1,
        anonymous=0.6,
        advice=DROP_ADVICE + POPULATE_ADVICE + FORK_ADVICE + GUARD_ADVICE * 2 + RECLAIM_ADVICE + HUGE_ADVICE,
        huge_advice=True,
    ),
    Profile(
        "stack",
        {"mmap": 8, "munmap": 3, "mprotect": 6, "mremap": 4, "madvise": 3, "mlock": 2, "setrlimit": 1}
        | {"load": 30, "store": 30}
        | FORKS,
        arena_pages=1536,
        processes=2,
        anonymous=1.0,
        grows=0.6,
        locked=0.05,
    ),
    Profile(
        "direct",
        {"pread": 12, "pwrite": 12, "read": 6, "write": 6, "lseek": 6, "load": 12, "store": 12, "mmap": 8, "mincore": 4}
        | {"ftruncate": 4, "fsync": 3, "msync": 3, "fork": 1, "munmap": 2},
        processes=2,
        files=2,
        anonymous=0.0,
        direct=0.5,
        largest_write=5 * 4096,
    ),
    Profile(
        "pipes",
        {"pipe": 5, "read": 20, "write": 20, "close": 4, "dup": 4, "fstat": 3, "lseek": 2, "pread": 2, "pwrite": 2}
        | {"mmap": 2, "ftruncate": 1, "fsync": 1, "setrlimit": 1}
        | FORKS,
        processes=3,
        files=1,
        anonymous=0.3,
        pipes=True,
        largest_write=3 * 4096,
    ),
)
PROFILES = {profile.name: profile for profile in EVERY}
"""The profiles by name."""
