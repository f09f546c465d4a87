"""A second, plain model of what a crash may leave of one file, at the grain of calls: every choice is tried.

A World is one way in which the kernel may have chosen so far: which pages it has written back, and when the journal was
committed. After each call of a program all Worlds are found that the kernel can reach by writing back single pages and
by commits. Rules: ext4, data=ordered, delayed allocation (fs/ext4/inode.c: i_disksize, ext4_setattr, ext4_truncate).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mmaplab.calls import Call, Outcome, perform
from mmaplab.constants import MS_SYNC
from mmaplab.interface import Program
from mmaplab.program import Recorder
from mmaplab.sim import Kernel, KernelConfig

PAGE = 4096
Blocks = tuple[tuple[int, int], ...]
"""(page, block) pairs."""


@dataclass(frozen=True)
class World:
    """The disk in one of the kernel's possible pasts: blocks by number, and file size and block map, twice."""

    size: int
    blocks: Blocks
    durable_size: int
    durable_blocks: Blocks
    contents: tuple[tuple[int, bytes], ...]
    ordered: frozenset[int] = frozenset()
    """The pages that have to be written before the next commit."""

    def crash(self) -> bytes:
        """What is found after a crash."""
        return self.read(self.durable_size, self.durable_blocks)

    def read(self, size: int, blocks: Blocks) -> bytes:
        """The file through a block map."""
        contents, where = dict(self.contents), dict(blocks)
        pages = [contents.get(where.get(i, -1), bytes(PAGE)) for i in range(-(-size // PAGE))]
        return b"".join(pages)[:size]


@dataclass(frozen=True)
class Cache:
    """The file as the program sees it: its size and its cached pages, cut at the size."""

    size: int
    pages: tuple[bytes, ...]
    dirtied: frozenset[int]
    """Pages that have been dirty at some time and are still the file's."""


def write_back(world: World, cache: Cache, index: int) -> World:
    """Write one dirty page; a page without a block gets one, and the size on the disk follows it."""
    blocks, contents = dict(world.blocks), dict(world.contents)
    size = world.size
    if index not in blocks:
        blocks[index] = len(contents)
        size = max(size, min(cache.size, (index + 1) * PAGE))
    contents[blocks[index]] = cache.pages[index]
    ordered = world.ordered - {index}
    changed = tuple(sorted(blocks.items())), tuple(sorted(contents.items()))
    return replace(world, size=size, blocks=changed[0], contents=changed[1], ordered=ordered)


def commit(world: World, cache: Cache) -> World:
    """Commit the journal; a cleared tail is written first."""
    for index in world.ordered:
        world = write_back(world, cache, index)
    return replace(world, durable_size=world.size, durable_blocks=world.blocks)


def reachable(worlds: set[World], cache: Cache) -> set[World]:
    """All worlds that write-back and commits lead to while no call is made."""
    found, todo = set(worlds), list(worlds)
    while todo:
        world = todo.pop()
        nexts = [write_back(world, cache, i) for i in cache.dirtied]
        for after in [*nexts, commit(world, cache)]:
            if after not in found:
                found.add(after)
                todo.append(after)
    return found


def called(world: World, call: Call, before: Cache, cache: Cache) -> World:
    """What a call itself does to the disk."""
    if cache.size == before.size or call.name not in ("ftruncate", "pwrite"):
        return world
    blocks, size, end = dict(world.blocks), world.size, min(before.size, cache.size)
    offset = int(call.args[2]) if call.name == "pwrite" else 0  # type: ignore[arg-type]
    ordered = set(world.ordered)
    if call.name == "ftruncate":
        blocks = {i: b for i, b in blocks.items() if i < -(-cache.size // PAGE)}
        size = cache.size
    if end % PAGE and end // PAGE in blocks and (call.name == "ftruncate" or offset > before.size):
        ordered.add(end // PAGE)  # its tail is cleared
    while (
        call.name == "pwrite" and offset < cache.size
    ):  # where a page has its block, the journal gets the size at once
        offset = min((offset // PAGE + 1) * PAGE, cache.size)
        if (offset - 1) // PAGE in blocks and offset > before.size:
            size = max(size, offset)
    return replace(world, size=size, blocks=tuple(sorted(blocks.items())), ordered=frozenset(ordered & blocks.keys()))


def forced(world: World, call: Call, cache: Cache) -> World:
    """What fsync and msync(MS_SYNC) do: write pages, and commit."""
    if call.name == "fsync":
        pages = range(len(cache.pages))
    elif call.name == "msync" and int(call.args[2]) & MS_SYNC:  # type: ignore[arg-type]
        offset = getattr(call.args[0], "offset", 0)
        pages = range(offset // PAGE, -(-(offset + int(call.args[1])) // PAGE))  # type: ignore[arg-type]
    else:
        return world
    for index in pages:
        if index in cache.dirtied and index < len(cache.pages):
            world = write_back(world, cache, index)
    return commit(world, cache)


@dataclass
class Crashes:
    """What a crash may leave of the file: at any moment of the program, and when each call has returned."""

    ever: set[bytes]
    after: list[set[bytes]]


def every_crash(program: Program, path: str, data: bytes, config: KernelConfig | None = None) -> Crashes:
    """Try every choice of the kernel. `program` writes with pwrite only, and maps the whole file."""
    kernel = Kernel(config)
    kernel.create_file(path, data, warm=True)
    inode = kernel.files.lookup(path)
    names: dict[str, object] = {"p": kernel.spawn()}
    before = watch_cache(kernel, path, frozenset())
    blocks = tuple((i, i) for i in range(len(before.pages)))
    worlds = {World(len(data), blocks, len(data), blocks, tuple(enumerate(before.pages)))}
    crashes = Crashes({data}, [])

    def make(call: Call) -> Outcome:
        nonlocal worlds, before
        outcome = perform(call, names)
        dirty = {i for i, folio in inode.i_mapping.i_pages.items() if folio.dirty}
        dirtied = frozenset(i for i in before.dirtied | dirty if i < inode.pages)
        cache = watch_cache(kernel, path, dirtied)
        if call.name == "store":  # the fault makes the page dirty, then the bytes change
            worlds = reachable(worlds, replace(before, dirtied=dirtied))
        worlds = reachable({called(world, call, before, cache) for world in worlds}, cache)
        crashes.ever |= {world.crash() for world in worlds}
        if outcome.ok:
            worlds = reachable({forced(world, call, cache) for world in worlds}, cache)
        crashes.after.append({world.crash() for world in worlds})
        before = cache
        return outcome

    program(Recorder(make, names).stand_in("p"))
    return crashes


def watch_cache(kernel: Kernel, path: str, dirtied: frozenset[int]) -> Cache:
    """Read the file as the running kernel has it."""
    data = kernel.file_bytes(path)
    pages = tuple(data[i : i + PAGE].ljust(PAGE, b"\0") for i in range(0, len(data), PAGE))
    return Cache(len(data), pages, dirtied)
