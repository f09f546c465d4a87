"""madvise."""

from __future__ import annotations

from mmaplab.constants import (
    MADV_COLD,
    MADV_COLLAPSE,
    MADV_DODUMP,
    MADV_DOFORK,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_FREE,
    MADV_HUGEPAGE,
    MADV_HWPOISON,
    MADV_KEEPONFORK,
    MADV_MERGEABLE,
    MADV_NOHUGEPAGE,
    MADV_NORMAL,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_RANDOM,
    MADV_REMOVE,
    MADV_SEQUENTIAL,
    MADV_SOFT_OFFLINE,
    MADV_UNMERGEABLE,
    MADV_WILLNEED,
    MADV_WIPEONFORK,
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    PROT_NONE,
    TASK_SIZE,
)
from mmaplab.sim import madvise
from tests.manpages.advice_programs import (
    HIGH,
    TWO_MIB,
    advice_apart,
    advised,
    areas_apart,
    child_finds,
    collapsed,
    freed_then_paged_out,
    hole,
    locked,
    paged_out,
    paged_out_after_write_back,
    populated,
    private_stores,
    readonly,
    removed,
    shared_by_two,
    stored,
    touched,
    willneed,
)
from tests.manpages.guards import GUARDS
from tests.manpages.table import MINUS_ONE, PAGE, Left, Page, R, Row, anon, filled, mapped

MADVISE = Page(
    "madvise",
    {
        "MADV_NORMAL": [Row(lambda p: areas_apart(p, MADV_RANDOM, MADV_NORMAL), (3, 1))],
        "MADV_RANDOM": [Row(lambda p: areas_apart(p, MADV_RANDOM, MADV_NORMAL), (3, 1))],
        "MADV_SEQUENTIAL": [Row(lambda p: areas_apart(p, MADV_SEQUENTIAL, MADV_NORMAL), (3, 1))],
        "MADV_WILLNEED": [
            Row(willneed, ("ABCD", 0), warm=False, free="how soon readahead has arrived"),
            Row(lambda p: p.madvise(filled(p), PAGE, MADV_WILLNEED), None),
        ],
        "MADV_DONTNEED": [
            Row(lambda p: advised(p, MADV_DONTNEED, filled(p)), ("....", bytes(4), 4)),
            Row(lambda p: advised(p, MADV_DONTNEED, private_stores(p)), ("xxxx", b"ABCD", 1)),
            Row(lambda p: advised(p, MADV_DONTNEED, stored(p)), ("xxxx", b"xyCD", 1)),
            Row(lambda p: p.madvise(locked(p), PAGE, MADV_DONTNEED), "EINVAL"),
            Row(
                lambda p: advised(p, MADV_DONTNEED_LOCKED, locked(p)),
                ("....", bytes(4), 4),
                {"madv_dontneed_locked": True},
            ),
        ],
        "MADV_REMOVE": [
            Row(removed, b"A\0CD"),
            Row(lambda p: removed(p, R), b"A\0CD"),
            Row(removed, b"A\0CD", file_system="tmpfs"),
            Row(lambda p: p.madvise(anon(p, flags=MAP_SHARED | MAP_ANONYMOUS), PAGE, MADV_REMOVE), None),
        ],
        "MADV_DONTFORK": [Row(lambda p: child_finds(p, MADV_DONTFORK), "SEGV_MAPERR")],
        "MADV_DOFORK": [Row(lambda p: child_finds(p, MADV_DONTFORK, MADV_DOFORK), "b'b'")],
        "MADV_HWPOISON": Left(madvise.do_madvise),
        "MADV_MERGEABLE": [
            Row(lambda p: areas_apart(p, MADV_MERGEABLE, MADV_UNMERGEABLE), (3, 1), {"ksm": True}),
            Row(lambda p: p.madvise(filled(p), PAGE, MADV_MERGEABLE), "EINVAL", {"ksm": False}),
            Row(lambda p: (p.madvise(mapped(p), PAGE, MADV_MERGEABLE), len(p.maps()))[1], 1, {"ksm": True}),
        ],
        "MADV_UNMERGEABLE": [
            Row(lambda p: areas_apart(p, MADV_MERGEABLE, MADV_UNMERGEABLE), (3, 1), {"ksm": True}),
            Row(lambda p: p.madvise(filled(p), PAGE, MADV_UNMERGEABLE), "EINVAL", {"ksm": False}),
        ],
        "MADV_SOFT_OFFLINE": Left(madvise.do_madvise),
        "MADV_HUGEPAGE": [
            Row(lambda p: areas_apart(p, MADV_HUGEPAGE, MADV_NOHUGEPAGE), (3, 3), {"thp": True}),
            Row(lambda p: p.madvise(filled(p), PAGE, MADV_HUGEPAGE), "EINVAL", {"thp": False}),
        ],
        "MADV_NOHUGEPAGE": [
            Row(lambda p: areas_apart(p, MADV_NOHUGEPAGE, MADV_HUGEPAGE), (3, 3), {"thp": True}),
            Row(lambda p: p.madvise(filled(p), PAGE, MADV_NOHUGEPAGE), "EINVAL", {"thp": False}),
        ],
        "MADV_COLLAPSE": [
            Row(lambda p: p.madvise(filled(p), PAGE, MADV_COLLAPSE), "EINVAL"),
            Row(lambda p: collapsed(p, TWO_MIB, length=PAGE), None, {"thp": True, "madv_collapse": True}),
            Row(lambda p: collapsed(p, TWO_MIB, length=PAGE, touch=False), "EINVAL"),
            Row(lambda p: collapsed(p, 2 * TWO_MIB, PAGE, PAGE), "EINVAL"),
            Row(lambda p: collapsed(p, TWO_MIB - PAGE), "EINVAL"),
            Row(lambda p: p.madvise(touched(p), PAGE, MADV_COLLAPSE), "EINVAL"),
            Row(lambda p: p.madvise(HIGH, PAGE, MADV_COLLAPSE), "ENOMEM", {"thp": True, "madv_collapse": True}),
        ],
        "MADV_COLLAPSE that succeeds": Left(madvise.madvise_collapse),
        "MADV_DONTDUMP": [Row(lambda p: areas_apart(p, MADV_DONTDUMP, MADV_DODUMP), (3, 1))],
        "MADV_DODUMP": [Row(lambda p: areas_apart(p, MADV_DONTDUMP, MADV_DODUMP), (3, 1))],
        "MADV_FREE": [
            Row(lambda p: freed_then_paged_out(p, b"B"), b"\0B\0d"),
            Row(lambda p: freed_then_paged_out(p, b""), b"\0\0\0d"),
            Row(lambda p: p.madvise(mapped(p), PAGE, MADV_FREE), "EINVAL"),
            Row(lambda p: p.madvise(locked(p), PAGE, MADV_FREE), "EINVAL"),
        ],
        "MADV_WIPEONFORK": [
            Row(lambda p: child_finds(p, MADV_WIPEONFORK), "b'\\x00'"),
            Row(lambda p: p.madvise(mapped(p), PAGE, MADV_WIPEONFORK), "EINVAL"),
            Row(lambda p: p.madvise(anon(p, flags=MAP_SHARED | MAP_ANONYMOUS), PAGE, MADV_WIPEONFORK), "EINVAL"),
        ],
        "MADV_KEEPONFORK": [Row(lambda p: child_finds(p, MADV_WIPEONFORK, MADV_KEEPONFORK), "b'b'")],
        "MADV_COLD": [
            Row(lambda p: advised(p, MADV_COLD, filled(p)), ("xxxx", b"abcd", 0)),
            Row(lambda p: advised(p, MADV_COLD, touched(p)), ("xxxx", b"ABCD", 0)),
            Row(lambda p: advised(p, MADV_COLD, stored(p)), ("xxxx", b"xyCD", 1)),
            Row(lambda p: advised(p, MADV_COLD, touched(p)), ("xxxx", b"ABCD", 0), file_system="tmpfs"),
        ],
        "MADV_PAGEOUT": [
            Row(lambda p: advised(p, MADV_PAGEOUT, filled(p)), ("xxxx", b"abcd", 0)),
            Row(lambda p: paged_out(p, touched(p)), "...."),
            Row(lambda p: advised(p, MADV_PAGEOUT, stored(p), 2), ("xx", b"xy", 2)),
            Row(lambda p: paged_out_after_write_back(p), ("xx", b"xy", 1)),
            Row(lambda p: shared_by_two(p), "xxxx"),
            Row(lambda p: advised(p, MADV_PAGEOUT, private_stores(p), 1), ("x", b"x", 0)),
            Row(lambda p: advised(p, MADV_PAGEOUT, touched(p)), ("xxxx", b"ABCD", 1), file_system="tmpfs"),
        ],
        "MADV_POPULATE_READ": [
            Row(lambda p: populated(p, MADV_POPULATE_READ, anon(p)), ("xxxx", 0)),
            Row(lambda p: populated(p, MADV_POPULATE_READ, mapped(p)), ("xxxx", 0)),
        ],
        "MADV_POPULATE_WRITE": [
            Row(lambda p: populated(p, MADV_POPULATE_WRITE, anon(p)), ("xxxx", 0)),
            Row(lambda p: populated(p, MADV_POPULATE_WRITE, mapped(p)), ("xxxx", 0)),
        ],
        **GUARDS,
        "EACCES MADV_REMOVE of what is not shared and writable": [
            Row(lambda p: removed(p, flags=MAP_PRIVATE), "EACCES"),
            Row(lambda p: p.madvise(p.mmap(0, PAGE, R, MAP_SHARED, p.open("f")), PAGE, MADV_REMOVE), "EACCES"),
        ],
        "EAGAIN more areas than max_map_count": [Row(advice_apart, "EAGAIN", {"max_map_count": 20})],
        "EBADF MADV_WILLNEED of what is no file, which Linux 3.9 and later permit": [
            Row(lambda p: p.madvise(filled(p), PAGE, MADV_WILLNEED), None),
        ],
        "EBUSY memory cgroup": Left(madvise.madvise_collapse),
        "EFAULT MADV_POPULATE_READ or MADV_POPULATE_WRITE meets a signal": [
            Row(lambda p: p.madvise(mapped(p, pages=7), 7 * PAGE, MADV_POPULATE_READ), "EFAULT"),
            Row(lambda p: p.madvise(mapped(p, pages=7), 7 * PAGE, MADV_POPULATE_WRITE), "EFAULT"),
        ],
        "EINVAL addr is not aligned, or length negative": [
            Row(lambda p: p.madvise(filled(p) + 1, PAGE, MADV_NORMAL), "EINVAL"),
            Row(lambda p: p.madvise(filled(p), MINUS_ONE, MADV_NORMAL), "EINVAL"),
            Row(lambda p: p.madvise(filled(p), 2**64 - PAGE, MADV_NORMAL), "EINVAL"),
        ],
        "EINVAL no such advice": [
            Row(lambda p: p.madvise(filled(p), PAGE, 77), "EINVAL"),
            Row(lambda p: p.madvise(filled(p), 0, 77), "EINVAL"),
            Row(lambda p: p.madvise(filled(p), PAGE, -1), "EINVAL"),
            Row(lambda p: p.madvise(filled(p), 0, MADV_NORMAL), None),
        ],
        "EINVAL MADV_COLD or MADV_PAGEOUT of what is locked": [
            Row(lambda p: p.madvise(locked(p), PAGE, MADV_COLD), "EINVAL"),
            Row(lambda p: p.madvise(locked(p), PAGE, MADV_PAGEOUT), "EINVAL"),
        ],
        "EINVAL MADV_DONTNEED or MADV_REMOVE of what is locked": [
            Row(lambda p: p.madvise(locked(p), PAGE, MADV_DONTNEED), "EINVAL"),
            Row(lambda p: (p.mlock(a := mapped(p), PAGE), p.madvise(a, PAGE, MADV_REMOVE)), "EINVAL"),
        ],
        "EINVAL MADV_MERGEABLE or MADV_UNMERGEABLE without CONFIG_KSM": [
            Row(lambda p: p.madvise(filled(p), PAGE, MADV_MERGEABLE), "EINVAL", {"ksm": False}),
        ],
        "EINVAL MADV_FREE or MADV_WIPEONFORK of files or shared memory": [
            Row(lambda p: p.madvise(mapped(p), PAGE, MADV_FREE), "EINVAL"),
            Row(lambda p: p.madvise(mapped(p, flags=MAP_PRIVATE), PAGE, MADV_WIPEONFORK), "EINVAL"),
        ],
        "EINVAL MADV_POPULATE_READ or MADV_POPULATE_WRITE without the right": [
            Row(lambda p: p.madvise(readonly(p), PAGE, MADV_POPULATE_WRITE), "EINVAL"),
            Row(lambda p: p.madvise(anon(p, prot=PROT_NONE), PAGE, MADV_POPULATE_READ), "EINVAL"),
        ],
        "EIO resident set size": Left(madvise.do_madvise),
        "ENOMEM MADV_WILLNEED": Left(madvise.do_madvise),
        "ENOMEM MADV_COLLAPSE finds no huge page": [
            Row(lambda p: collapsed(p, TWO_MIB), "ENOMEM", {"memory_pages": 400}),
        ],
        "ENOMEM not mapped": [
            Row(lambda p: p.madvise(hole(p), 4 * PAGE, MADV_DONTNEED), "ENOMEM"),
            Row(lambda p: p.madvise(HIGH, PAGE, MADV_NORMAL), "ENOMEM"),
            Row(lambda p: p.madvise(TASK_SIZE, PAGE, MADV_NORMAL), "ENOMEM"),
        ],
        "ENOMEM MADV_POPULATE_READ or MADV_POPULATE_WRITE without memory": [
            Row(lambda p: p.madvise(hole(p), 4 * PAGE, MADV_POPULATE_READ), "ENOMEM"),
            Row(lambda p: p.madvise(anon(p, 40), 40 * PAGE, MADV_POPULATE_WRITE), "SIGKILL", {"memory_pages": 20}),
        ],
        "EPERM MADV_HWPOISON without a privilege": [
            Row(lambda p: p.madvise(filled(p), PAGE, MADV_HWPOISON), "EINVAL"),
            Row(lambda p: p.madvise(filled(p), PAGE, MADV_SOFT_OFFLINE), "EINVAL"),
        ],
        "EHWPOISON a page that is broken": Left(madvise.do_madvise),
    },
)


PAGES = (MADVISE,)
