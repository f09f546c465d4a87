"""Every disk that the kernel may have made of one file so far.

    World   running   name, size and blocks as the file system has them in memory
            durable   the same as of the last commit of the journal: what a crash leaves
            contents  what the blocks hold

Two things may happen at any moment, and make a new World of each: a dirty page is written back (`write_page`), and the
journal is committed (`commit`). All else the program does. The rules are those of ext4 with data=ordered and delayed
allocation:

    a write in place                    is on the disk at once, whatever the journal says
    a page that had no block            gets one when it is written: found after the next commit
    ftruncate, open(O_CREAT), unlink    change what runs: durable with the next commit
    write() behind the end              the size waits for the block of the last page, page by page (i_disksize)
    a tail that shrinking clears        is written before the commit of the size (ordered)

Linux: fs/ext4/inode.c (ext4_da_do_write_end, mpage_map_and_submit_extent, ext4_setattr, ext4_truncate), fs/jbd2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from mmaplab.constants import PAGE_SIZE

ZEROS = bytes(PAGE_SIZE)
BEFORE = -1
"""The generation of the blocks that the file had before the program."""

Block = tuple[int, int]
"""A block by the page and the generation in which it was given to the file: each cut begins a new generation."""


@dataclass(frozen=True)
class Layout:
    """Name, size and blocks of a file. `path` is empty for no name; below page `kept` it has its blocks of before."""

    path: str
    size: int
    kept: int
    holes: frozenset[int] = frozenset()
    """Pages below `kept` whose block was given back."""
    given: frozenset[Block] = frozenset()

    @property
    def pages(self) -> int:
        """Pages in the file."""
        return -(-self.size // PAGE_SIZE)


@dataclass(frozen=True)
class World:
    """One disk that the kernel may have made; `ordered` are the pages to be written before the next commit."""

    running: Layout
    durable: Layout
    contents: frozenset[tuple[Block, bytes]] = frozenset()
    ordered: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Found:
    """The file as a crash may leave it. `pages` are those that differ from `before`, the file before the program."""

    path: str
    size: int
    pages: tuple[tuple[int, bytes], ...]
    before: Mapping[int, bytes] = field(compare=False, repr=False)

    def order(self) -> tuple[str, int, tuple[tuple[int, bytes], ...]]:
        """Return what lists are sorted by."""
        return self.path, self.size, self.pages

    def data(self) -> bytes:
        """Return the bytes of the file."""
        changed = dict(self.pages)
        parts = (changed.get(i) or self.before.get(i, ZEROS) for i in range(-(-self.size // PAGE_SIZE)))
        return b"".join(parts)[: self.size]


def visible(data: bytes, index: int, size: int) -> bytes:
    """Return what a reader of a file of `size` bytes sees of a page; zeros behind it, to a whole page."""
    end = min(PAGE_SIZE, size - index * PAGE_SIZE)
    return data if end == PAGE_SIZE else data[:end] + ZEROS[end:]


class FileWorlds:
    """One file: all its Worlds, and what the page cache holds of it."""

    def __init__(self, before: Mapping[int, bytes], start: World) -> None:
        self.before = before
        self.worlds = {start}
        self.size = start.running.size
        self.generation = 0
        self.dirty: dict[int, bytes] = {}
        """The content that each dirty page has now."""

    # ---- what the kernel may do at any moment

    def closed(self, worlds: set[World], known: set[World], bound: int) -> set[World]:
        """Return the Worlds that write-back and commits lead to from these, less `known` ones; stops behind `bound`.

        From the known ones nothing new can be reached but through `worlds`.
        """
        found = worlds - known
        todo = list(found)
        while todo and len(found) <= bound:
            world = todo.pop()
            for after in [*(self.write_page(world, i) for i in self.dirty), self.commit(world)]:
                if after not in found and after not in known:
                    found.add(after)
                    todo.append(after)
        return found

    def write_page(self, world: World, index: int) -> World:
        """The disk gets a dirty page; one without a block is given one, and the size on the disk follows it."""
        running, block = world.running, self.block(world.running, index)
        if block is None:
            block = (index, self.generation)
            size = max(running.size, min(self.size, (index + 1) * PAGE_SIZE))
            running = replace(running, size=size, given=running.given | {block})
        contents = dict(world.contents) | {block: self.dirty[index]}
        if block[1] == BEFORE and self.before[index] == self.dirty[index]:
            del contents[block]
        return World(running, world.durable, frozenset(contents.items()), world.ordered - {index})

    def commit(self, world: World) -> World:
        """The journal becomes durable; a tail that was cleared is written first."""
        if not world.ordered <= self.dirty.keys():  # one is being cleared: not yet
            return world
        for index in world.ordered:
            world = self.write_page(world, index)
        if world.running == world.durable:
            return world
        contents = ((b, data) for b, data in world.contents if self.block(world.running, b[0]) == b)
        return World(world.running, world.running, frozenset(contents))

    def block(self, layout: Layout, index: int) -> Block | None:
        """Return the block behind a page, None for a hole."""
        if index < layout.kept and index in self.before and index not in layout.holes:
            return index, BEFORE
        return next((block for block in layout.given if block[0] == index), None)

    # ---- what the program does

    def resized(self, size: int, grows: Callable[[int], bool] | None, gap: bool) -> set[World]:
        """Return the Worlds after a change of the size.

        `grows(page)`: a write grows the file, and has this page; `gap`: it has begun behind the end.
        """
        old, self.size = self.size, size
        if size < old:
            self.generation += 1
            self.dirty = {i: visible(data, i, size) for i, data in self.dirty.items() if i * PAGE_SIZE < size}
        if grows is None:
            found = {self._set_size(world, size) for world in self.worlds}
        else:
            page = old // PAGE_SIZE
            end = min((page + 1) * PAGE_SIZE, size)
            found = {self._written(world, page, end) if grows(page) else world for world in self.worlds}
        cleared = min(old, size)
        return {self._tail_cleared(world, cleared) for world in found} if grows is None or gap else found

    def _written(self, world: World, page: int, end: int) -> World:
        """A write has grown the file inside a page: if it has a block, the size goes to the journal at once."""
        if self.block(world.running, page) is None:
            return world
        return replace(world, running=replace(world.running, size=max(world.running.size, end)))

    def _set_size(self, world: World, size: int) -> World:
        """ftruncate: blocks behind the size are given back."""
        cut, run = -(-size // PAGE_SIZE), world.running
        given = frozenset(block for block in run.given if block[0] < cut)
        running = replace(run, size=size, kept=min(run.kept, cut), given=given)
        return replace(world, running=running, ordered=frozenset(i for i in world.ordered if i < cut))

    def _tail_cleared(self, world: World, size: int) -> World:
        """What lies behind `size` in its page is cleared, and a block has to be written before the next commit."""
        page = size // PAGE_SIZE
        if not size % PAGE_SIZE or self.block(world.running, page) is None:
            return world
        return replace(world, ordered=world.ordered | {page})

    def punched(self, first: int, end: int) -> set[World]:
        """Return the Worlds after the pages [first, end) have become a hole."""
        self.generation += 1
        gone = frozenset(range(first, end))
        self.dirty = {i: data for i, data in self.dirty.items() if i not in gone}
        found = set()
        for world in self.worlds:
            given = frozenset(block for block in world.running.given if block[0] not in gone)
            holes = world.running.holes | {i for i in gone if i < world.running.kept}
            found.add(replace(world, running=replace(world.running, given=given, holes=holes)))
        return found

    def renamed(self, path: str) -> set[World]:
        """Return the Worlds after the file has got another name, or lost it."""
        return {replace(world, running=replace(world.running, path=path)) for world in self.worlds}

    def forced(self, index: int, data: bytes) -> set[World]:
        """Return the Worlds after a page was forced to the disk; it is clean then."""
        self.dirty[index] = data
        found = {self.write_page(world, index) for world in self.worlds}
        del self.dirty[index]
        return found

    # ---- what a crash leaves

    def crash(self, world: World, before: Mapping[int, bytes]) -> Found:
        """Return the file after a crash; `before` are the blocks that its name had before the program."""
        layout = world.durable
        if not layout.path:
            return Found("", 0, (), {})
        contents = dict(world.contents)
        indices = {block[0] for block in contents} | {i for i in before if i >= layout.kept} | layout.holes
        if before is not self.before:  # another file had the name
            indices |= set(before) | set(self.before)
        pages = []
        for index in sorted(i for i in indices if i < layout.pages):
            block = self.block(layout, index)
            data = ZEROS if block is None else contents.get(block) or self.before.get(index, ZEROS)
            shown = visible(data, index, layout.size)
            if shown != visible(before.get(index, ZEROS), index, layout.size):
                pages.append((index, shown))
        return Found(layout.path, layout.size, tuple(pages), before)
