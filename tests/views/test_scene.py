"""The scene is the fold of the events and nothing else, and the fold of all events is what the kernel holds."""

from __future__ import annotations

import pytest

from mmaplab.constants import (
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    PROT_READ,
    PROT_WRITE,
    TASK_SIZE,
)
from mmaplab.sim import Kernel
from mmaplab.sim import events as ev
from mmaplab.sim.trace import Record
from mmaplab.views.scene import Scene, advance, final, records_of, scenes
from mmaplab.views.words import sentence
from tests.views.pictures import PROGRAMS, cold_read, fork_and_store

A = 0x7000_0000_0000


def record(event: ev.Event, depth: int = 0) -> Record:
    return Record(0, depth, 1, event)


def fold(*events: ev.Event) -> Scene:
    scene = Scene()
    for event in events:
        scene = advance(scene, record(event))
    return scene


def test_an_area_appears_changes_and_goes() -> None:
    link = ev.VmaLink(1, A, A + 0x3000, 0xD1, 2, 12, "f")
    grown = ev.VmaAdjust(1, A, A - 0x1000, A + 0x3000, 0xD1, 1)
    area = fold(link).space(1).areas[A]
    assert (area.perms, area.npages, area.index(A + 0x1000)) == ("r--s", 3, 3)
    moved = fold(link, grown).space(1).areas
    assert list(moved) == [A - 0x1000]
    assert (moved[A - 0x1000].name, moved[A - 0x1000].pgoff) == ("f", 1)
    assert not fold(link, ev.VmaUnlink(1, A, A + 0x3000)).space(1).areas


def test_a_scene_that_was_handed_out_does_not_change() -> None:
    before = fold(ev.PageAlloc(1, "anon"))
    after = advance(before, record(ev.PageFree(1)))
    assert (before.frames, after.frames) == ({1: "anon"}, {})


def test_open_spans_are_what_runs_now() -> None:
    access, fault = ev.Access(1, "load", A, 1), ev.PageFault(1, 1, A, "load")
    assert fold(access, fault).running == (access, fault)
    assert fold(access, fault, ev.Done("PageFault", "minor")).running == (access,)


def test_a_flush_forgets_the_range_on_one_processor() -> None:
    fills = [ev.TlbFill(1, cpu, A, 7) for cpu in (0, 1)]
    assert set(fold(*fills, ev.TlbFlush(1, 0, A, A + 0x1000, "local")).tlb) == {(1, 1, A)}


def test_what_is_older_than_the_trace_is_no_error() -> None:
    scene = fold(ev.CacheAdd(9, 0, 5, 0), ev.PageDirty(9, 0), ev.SetPte(3, A, 0x5007, 0))
    assert scene.file(9).name == "file 9"
    assert scene.spaces[3].ptes == {A: 0x5007}


def test_records_come_from_a_kernel_a_trace_or_a_list() -> None:
    kernel = cold_read()
    assert records_of(kernel) == records_of(kernel.trace) == records_of(kernel.trace.records)
    with pytest.raises(TypeError, match="holds no trace"):
        records_of(7)
    with pytest.raises(TypeError, match="holds no trace"):
        records_of([1, 2])


def test_an_unknown_file_is_named_with_those_that_there_are() -> None:
    with pytest.raises(FileNotFoundError, match=r"'no\.bin'.*data\.bin"):
        final(cold_read()).file_named("no.bin")


def test_every_scene_is_the_fold_of_its_records() -> None:
    kernel = fork_and_store()
    found = scenes(kernel)
    assert len(found) == len(kernel.trace.records)
    assert found[-1] == final(kernel)
    assert found[40] == final(kernel.trace.records[:41])


def scene_of(kernel: Kernel) -> Scene:
    """Return the scene read off the kernel's own structures; it lives here, so that no view learns to read a kernel."""
    folded = final(kernel)
    scene = Scene(pid=folded.pid, now=kernel.machine.now)
    for pid, process in kernel.processes.items():
        scene.processes[pid] = process.mm.mm
        space = scene.space(process.mm.mm)
        space.pid = process.task.tgid
        for vma in process.mm.areas:
            space.areas[vma.vm_start] = folded.spaces[space.mm].areas[vma.vm_start]
            seen = space.areas[vma.vm_start]
            ino = vma.vm_file.f_inode.ino if vma.vm_file else 0
            assert (seen.end, seen.flags, seen.pgoff, seen.ino) == (vma.vm_end, vma.vm_flags, vma.vm_pgoff, ino)
        space.ptes = dict(process.mm.pgd.entries(0, TASK_SIZE))
        for fd, file in process.task.files.fds.items():
            scene.fds[process.task.tgid, fd] = file.f_inode.ino
    for tlb in kernel.machine.tlbs:
        scene.tlb |= {(tlb.cpu, mm, vpn << 12): pte for (mm, vpn), pte in tlb.entries.items()}
    for ino, inode in (kernel.sb.s_inodes | kernel.files.tmpfs.s_inodes).items():
        if inode.kind != "file":
            continue
        file = scene.file(ino)
        file.path, file.size, file.fs = inode.path, inode.i_size, inode.i_sb.s_type
        file.unlinked = not inode.i_nlink and not inode.path.startswith("/")
        for folio in inode.i_mapping.folios():
            indices = range(folio.index, folio.end)
            file.pages |= {i: folio.page(i).pfn for i in indices}
            file.uptodate |= set(indices) if folio.uptodate else set()
            file.dirty |= set(indices) if folio.dirty else set()
        if inode.i_sb.on_disk:
            record = kernel.disk.files[ino]
            file.blocks = set(record.blocks)
            file.durable_size = record.durable_size if record.durable_path else None
    cached = {pfn for file in scene.files.values() for pfn in file.pages.values()}
    scene.frames = {pfn: "cache" if pfn in cached else "anon" for pfn in kernel.memory.pages if pfn}
    return scene


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_fold_of_all_events_is_what_the_kernel_holds(name: str) -> None:
    kernel = PROGRAMS[name]()
    folded, real = final(kernel), scene_of(kernel)
    for space in folded.spaces.values():  # tables are looked at apart
        real.spaces[space.mm].tables = space.tables
    assert folded == real


def test_a_guard_is_an_entry_that_maps_nothing() -> None:
    """It is set and cleared like any entry, said in words of its own, and leaves no frame in the picture."""
    kernel = Kernel()
    p = kernel.spawn()
    a = p.mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
    p.store(a, b"x")
    p.madvise(a, 8192, MADV_GUARD_INSTALL)
    assert final(kernel).spaces[1].ptes == {}
    assert any("becomes a guard" in sentence(record.event, final(kernel)) for record in kernel.trace.records)
    p.madvise(a, 8192, MADV_GUARD_REMOVE)
    p.store(a, b"y")
    assert list(final(kernel).spaces[1].ptes) == [a]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_tables_in_the_scene_are_the_kernels(name: str) -> None:
    kernel = PROGRAMS[name]()
    folded = final(kernel)
    for process in kernel.processes.values():
        space = folded.spaces[process.mm.mm]
        assert len(space.tables) == process.mm.pgd.tables()
        assert {addr for level, addr in space.tables if level == 1} == {
            base for base, _ in process.mm.pgd.leaves(0, TASK_SIZE)
        }
