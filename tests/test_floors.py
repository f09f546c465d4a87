"""The floors of the house: a room imports strictly lower floors only, and state changes through doors only.

A room is a file of the package. Rooms stand in towers, and in a tower on floors, the lowest first. A room may import

    - rooms on lower floors of its own tower, and
    - the towers and rooms that its tower names in `uses`; a tower can name only towers that stand before it.

So all imports run one way. An import inside a function counts like any other, and so does `import_module("...")`.
Where this fails: either the new import is wrong, or a new room needs a place in TOWERS. No room may stand nowhere.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mmaplab"


@dataclass(frozen=True)
class Tower:
    """A part of the package: `uses` names what lies beside it, `libraries` what it needs from outside Python."""

    uses: tuple[str, ...]
    floors: tuple[str, ...]
    libraries: tuple[str, ...] = ()


TOWERS = {
    "shared": Tower(  # what both kernels have in common
        uses=(),
        floors=(
            "constants lab notes releases",
            "arguments interface pte",
            "mmaplab",  # mmaplab/__init__.py
        ),
    ),
    "sim": Tower(  # the simulated kernel: no clock, no chance, nothing of the live machine
        uses=("arguments", "constants", "interface", "pte", "releases"),
        floors=(
            "sim.arguments sim.events sim.config sim.maple sim.slots",
            "sim.trace",
            "sim.memory sim.disk",
            "sim.pgtable",
            "sim.inode",
            "sim.pagecache",
            "sim.file sim.readpage sim.rmap",
            "sim.readahead sim.writeback sim.truncate sim.mm_types",
            "sim.filemap sim.flusher sim.mm sim.pipe sim.rlimit sim.vma sim.vmscan",
            "sim.merge sim.fork sim.direct sim.namei",
            "sim.anon sim.guard sim.pageout sim.readwrite",
            "sim.filefault",
            "sim.fault sim.bulk",
            "sim.cpu sim.mmap",
            "sim.brk sim.madvise sim.mlock sim.mprotect sim.mremap sim.msync",
            "sim.process",
            "sim.kernel",
            "sim.fileinvariants",
            "sim.invariants sim",  # `sim` is sim/__init__.py
        ),
    ),
    "real": Tower(  # the live kernel
        uses=("shared",),
        floors=(
            "real.arguments real.interrupts real.libc real.machine_code real.procfs real.ranges",
            "real.scripted_child real.worker",
            "real.channel real.files real.perf real.refusal real.seccomp real.wire",
            "real.scripted",
            "real.mapping real.native real.process",
            "real.executors real.own",
            "real.counting",
            "real.kernel",
            "real.machine real.sharing",
            "real.probe",
            "real",
        ),
        libraries=("numpy",),  # inside functions only: test_project.py imports the room where there is no numpy
    ),
    "ledger": Tower(
        uses=("constants", "interface", "sim.events", "sim.trace"), floors=("ledger",)
    ),  # all that is counted
    "programs": Tower(  # a program, recorded, and run in step on two kernels; the kernels are handed in
        uses=("constants", "interface"),
        floors=(
            "calls endless",
            "freedoms naming",
            "program",
            "explain",
            "lockstep",
            "twin",
        ),
    ),
    "outcomes": Tower(  # everything that may come of a program
        uses=("shared", "sim", "programs"),
        floors=(
            "outcomes.contents outcomes.held outcomes.worlds",
            "outcomes.watch",
            "outcomes.crash outcomes.orders",
            "outcomes",
        ),
    ),
    "fuzz": Tower(
        uses=("shared", "sim", "real", "ledger", "programs"),
        floors=(
            "fuzz fuzz.profiles fuzz.residency fuzz.shrink",
            "fuzz.writer",
            "fuzz.coverage fuzz.generate fuzz.pair",
            "fuzz.compare fuzz.live",
            "fuzz.hunt",
            "fuzz.campaign",
            "fuzz.command",
        ),
    ),
    "costmodel": Tower(  # what a program will cost in time: counts from the simulator, prices from this machine
        uses=("shared", "sim", "real", "ledger"),
        floors=(
            "costmodel.ground costmodel.work",
            "costmodel.trials costmodel.calibrate",
            "costmodel.contest",
            "costmodel",
        ),
        libraries=("numpy",),
    ),
    "course": Tower(  # what the course is, as data
        uses=(),
        floors=(
            "course",
            "course.schedule course.teaching",
        ),
    ),
    "views": Tower(  # pictures: they know events and numbers, never a kernel
        uses=("constants", "interface", "pte", "sim.events", "sim.trace", "ledger"),
        floors=(
            "views views.theme views.scene",
            "views.svg views.words",
            "views.shapes views.steps views.curves views.guess",
            "views.columns views.coursemap views.plots",
            "views.rows views.strip views.writeback",
            "views.bill views.cache views.frames views.space views.tables views.timeline views.twinview",
            "views.areahistory views.layout",
            "views.focus views.pointed",
            "views.board",
            "views.lanes views.stores",
            "views.linked",
            "views.ladder",
        ),
        libraries=("matplotlib", "numpy"),
    ),
    "widgets": Tower(
        uses=(
            "constants",
            "interface",
            "pte",
            "lab",
            "notes",
            "sim",
            "sim.events",
            "sim.trace",
            "sim.process",
            "real",
            "ledger",
            "views",
            "course",
        ),
        floors=(
            "widgets widgets.themed widgets.twin",
            "widgets.codebox widgets.film widgets.joins widgets.pagebuttons widgets.running widgets.session",
            "widgets.live widgets.live_books widgets.workbench widgets.beliefs widgets.ownwords widgets.play"
            " widgets.predict widgets.progress widgets.quiz widgets.player",
            "widgets.questions",
        ),
        libraries=("anywidget", "ipywidgets", "traitlets", "IPython", "matplotlib", "numpy"),
    ),
    "grading": Tower(
        uses=("shared", "sim", "sim.trace", "real", "ledger", "programs", "fuzz", "views", "outcomes"),
        floors=(
            "grading.plain grading.contracts grading.wording grading.usage grading.magics grading.owner",
            "grading.questions grading.programs grading.state grading.watch grading.bugs_first"
            " grading.bugs_copies grading.bugs_edges grading.bugs_speed grading.bugs_store grading.bugs_ties"
            " grading.situations",
            "grading.families.draft grading.observe grading.bugs grading.pairs grading.package grading.shorten",
            "grading.families.areas grading.families.cuts grading.families.faults grading.families.files"
            " grading.families.own grading.families.processes grading.families.places grading.families.windows"
            " grading.cost grading.difference grading.lines grading.serve",
            "grading.families grading.picture grading.ask grading.forker",
            "grading.asked",
            "grading.variant grading.whole",
            "grading.judge",
            "grading.apart grading.desk",
            "grading grading.bar grading.formats grading.shape grading.sandbox grading.submission",
            "grading.box",
            "grading.release",
            "grading.report",
            "grading.finding grading.runner grading.seeds",
            "grading.units",
            "grading.book grading.cluster",
            "grading.bulk grading.gradebook",
            "grading.similar",
            "grading.similarpage",
            "grading.command",
        ),
        libraries=("nbformat", "nbgrader", "traitlets", "IPython", "distributed"),
    ),
    "notebooks": Tower(  # what the cells of a chapter call
        uses=(
            "shared",
            "sim",
            "real",
            "ledger",
            "programs",
            "outcomes",
            "fuzz",
            "costmodel",
            "course",
            "views",
            "widgets",
            "grading",
        ),
        floors=(
            "advice areas claimrun kv owners randomly refusals scale",
            "durable edges experiments firstlook hops ownspace source ties variants",
            "ownkernel",
            "claimspage",
            "exercise notebook",
        ),
        libraries=("numpy", "IPython", "ipywidgets"),
    ),
    "bench": Tower(  # the numbers that the project promises
        uses=(
            "shared",
            "sim",
            "sim.trace",
            "real",
            "ledger",
            "programs",
            "fuzz",
            "costmodel",
            "course",
            "views",
            "widgets",
            "grading",
            "notebooks",
        ),
        floors=(
            "bench bench.measure bench.jupyterlab",
            "bench.plots bench.setting_up bench.chapters"
            " bench.simulator bench.footprint bench.starting bench.agreement bench.costs"
            " bench.grading bench.player bench.wrappers",
            "bench.rooms",
            "bench.report",
            "bench.command",
        ),
        libraries=("nbclient", "nbformat", "playwright"),  # inside a function only
    ),
    "publish": Tower(  # guides, pages and slides, made of the course for other places
        uses=("shared", "sim", "ledger", "programs", "real", "course", "views", "widgets", "notebooks"),
        floors=(
            "publish publish.marks publish.deck",
            "publish.chapters publish.pages",
            "publish.floors publish.guide publish.readme publish.reference publish.search",
            "publish.docs publish.slides publish.site",
            "publish.command",
            "publish.__main__",
        ),
        libraries=("bs4", "griffe", "nbconvert", "nbformat", "playwright", "pygments"),
    ),
    "command": Tower(
        uses=("shared", "fuzz", "real", "widgets.twin", "grading", "notebooks", "course", "bench"),
        floors=(
            "start authoring",
            "cli",
            "__main__",
        ),
        libraries=("nbclient", "nbformat"),
    ),
}

ONE_TOWER_ONLY = {"ctypes": "real"}
"""Modules of Python that only the rooms of one tower may import."""

NEVER_IN_SIM = {"time", "datetime", "random", "os", "resource", "mmap", "fcntl", "subprocess", "threading", "secrets"}
"""The simulator has no clock, no chance, and no way to the live machine: it answers the same everywhere."""

EDGE = {"sim.config": "os"}
"""The one exception: `KernelConfig.of_this_machine` asks the machine which kernel it runs."""

DOORS = {
    "sim.cpu": "load store execute",
    "sim.disk": "Disk.read_blocks Disk.write_block Disk._free Disk.commit",
    "sim.flusher": "set_clock writeback kjournald",
    "sim.trace": "Span.__exit__",
    "sim.fault": "do_user_addr_fault send_signal",
    "sim.file": "FilesStruct.fd_install FilesStruct.close_fd FilesStruct.dup_fds",
    "sim.kernel": "Kernel.create_file Kernel.drop_caches Kernel._start Kernel._exit Kernel._mount_file"
    " Kernel._reclaim Kernel._oom_kill",
    "sim.memory": "Memory.alloc_page Memory.put_page Memory.copy Memory.clear Memory.user_store",
    "sim.inode": "Inode.__post_init__",
    "sim.pagecache": "i_size_write drop_nlink _free_unused filemap_get_folio filemap_add_folio"
    " filemap_remove_folio folio_mark_uptodate folio_mark_dirty folio_clear_dirty split_folio",
    "sim.pgtable": "PageTable.pte_alloc PageTable.set_pte PageTable.clear_pte PageTable.free_tables"
    " Tlb.lookup Tlb.fill Tlb.flush",
    "sim.process": "Process._call",
    "sim.readahead": "_emit_readahead",
    "sim.vma": "vma_link vma_adjust vma_unlink",
}
"""The functions that may write a record into the trace: one for each kind of state, and one for each kind of span."""


# ---------------------------------------------------------------- the table, unfolded


def place_of_each_room() -> dict[str, tuple[str, int]]:
    """Return {room: (tower, floor)}; raises AssertionError where a room stands in two places."""
    places: dict[str, tuple[str, int]] = {}
    for name, tower in TOWERS.items():
        for floor, rooms in enumerate(tower.floors):
            for room in rooms.split():
                assert room not in places, f"{room} stands on two floors"
                places[room] = (name, floor)
    return places


PLACES = place_of_each_room()


def room_of(path: Path) -> str:
    """Return the name of a file's room: `sim.vma`; a package by its own name, the whole one as `mmaplab`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "mmaplab"


ROOMS = {room_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def may_import(room: str, other: str) -> str:
    """Return why `room` may not import `other`, or '' if it may."""
    if other not in PLACES:
        return f"{other} stands on no floor yet"
    (tower, floor), (other_tower, other_floor) = PLACES[room], PLACES[other]
    if tower == other_tower:
        here, there = TOWERS[tower].floors[floor], TOWERS[tower].floors[other_floor]
        return "" if other_floor < floor else f"it stands on [{here}], and {other} on [{there}], which is not lower"
    uses = TOWERS[tower].uses
    return "" if {other, other_tower} & set(uses) else f"rooms of {tower!r} may use {', '.join(uses)} and no other"


# ---------------------------------------------------------------- what a room imports


@dataclass(frozen=True)
class Import:
    """One import statement: the line, and the full name of the module, or of the thing taken from it."""

    line: int
    module: str
    name: str = ""

    @property
    def room(self) -> str:
        """The room of ours that is imported: `from mmaplab import ledger` imports the room `ledger`."""
        inside = f"{self.module}.{self.name}".removeprefix("mmaplab").strip(".")
        return inside if inside in ROOMS else self.module.removeprefix("mmaplab").strip(".") or "mmaplab"


def imports(tree: ast.AST) -> Iterator[Import]:
    """Yield each import of a file, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"line {node.lineno}: write the module's full name"
            yield from (Import(node.lineno, node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__"):
                yield Import(node.lineno, str(node.args[0].value))


def library(module: str) -> str:
    """Return the top name of a module that is neither ours nor Python's own, else ''."""
    top = module.split(".")[0]
    return "" if top == "mmaplab" or top in sys.stdlib_module_names else top


def told(room: str, line: int, why: str) -> str:
    """Return a complaint that names the line, and quotes it."""
    path = ROOMS[room]
    text = path.read_text(encoding="utf-8").splitlines()[line - 1].strip()
    return f"{path.relative_to(ROOT)}:{line}: {text}\n    {why}"


@pytest.fixture(params=sorted(set(ROOMS) & set(PLACES)), scope="module")
def room(request: pytest.FixtureRequest) -> str:
    """Every room that has a place, in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def tree(room: str) -> ast.Module:
    """The parsed file of the room."""
    return ast.parse(ROOMS[room].read_text(encoding="utf-8"))


# ---------------------------------------------------------------- the tests


def test_every_room_has_a_place_and_every_place_a_room() -> None:
    homeless, empty = sorted(set(ROOMS) - set(PLACES)), sorted(set(PLACES) - set(ROOMS))
    assert not homeless, f"these rooms stand on no floor of tests/test_floors.py: {', '.join(homeless)}"
    assert not empty, f"tests/test_floors.py names rooms that do not exist: {', '.join(empty)}"


def test_towers_use_only_towers_before_them() -> None:
    known: set[str] = set()
    for name, tower in TOWERS.items():
        unknown = [use for use in tower.uses if use not in known]
        assert not unknown, f"{name!r} uses {unknown}, which stand beside or above it"
        known |= {name, *(room for floor in tower.floors for room in floor.split())}


def test_a_room_imports_lower_floors_only(room: str, tree: ast.Module) -> None:
    wrong = []
    for found in imports(tree):
        if found.module.split(".")[0] == "mmaplab":
            why = may_import(room, found.room) if found.room in ROOMS else f"there is no room {found.room!r}"
            wrong += [told(room, found.line, why)] if why else []
    assert not wrong, "\n" + "\n".join(dict.fromkeys(wrong))


def test_a_room_uses_the_libraries_of_its_tower_only(room: str, tree: ast.Module) -> None:
    tower = PLACES[room][0]
    allowed = TOWERS[tower].libraries
    wrong = []
    for found in imports(tree):
        top = found.module.split(".")[0]
        if library(found.module) and top not in allowed:
            wrong.append(told(room, found.line, f"rooms of {tower!r} may use {', '.join(allowed) or 'no library'}"))
        if ONE_TOWER_ONLY.get(top, tower) != tower:
            wrong.append(told(room, found.line, f"only rooms of {ONE_TOWER_ONLY[top]!r} use {top}"))
        if tower == "sim" and top in NEVER_IN_SIM - {EDGE.get(room)}:
            wrong.append(told(room, found.line, f"the simulated kernel has no {top}: it answers the same everywhere"))
    assert not wrong, "\n" + "\n".join(dict.fromkeys(wrong))


def test_no_import_hides_behind_type_checking(room: str, tree: ast.Module) -> None:
    wrong = [
        told(room, node.lineno, "a type that is needed upward stands on the wrong floor")
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    assert not wrong, "\n" + "\n".join(dict.fromkeys(wrong))


def functions(node: ast.AST, name: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield every node of a file with the name of the function it stands in."""
    for child in ast.iter_child_nodes(node):
        inside = isinstance(child, (ast.FunctionDef, ast.ClassDef))
        inner = f"{name}.{child.name}".strip(".") if isinstance(child, (ast.FunctionDef, ast.ClassDef)) else name
        yield inner if inside else name, child
        yield from functions(child, inner)


SIM = sorted(room for room in ROOMS if room.split(".")[0] == "sim")


@pytest.mark.parametrize("room", SIM)
def test_only_doors_write_into_the_trace(room: str) -> None:
    tree = ast.parse(ROOMS[room].read_text(encoding="utf-8"))
    doors = set(DOORS.get(room, "").split())
    writers = {}
    for name, node in functions(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("emit", "span"):
            writers[name] = node.lineno
    wrong = [told(room, line, f"{name} is no door") for name, line in writers.items() if name not in doors]
    assert not wrong, "\n" + "\n".join(dict.fromkeys(wrong))
    assert not doors - set(writers), f"doors of {room} that write nothing: {', '.join(sorted(doors - set(writers)))}"


@pytest.mark.parametrize("room", SIM)
def test_only_the_memory_writes_into_frames(room: str) -> None:
    tree = ast.parse(ROOMS[room].read_text(encoding="utf-8"))
    wrong = []
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) else []:
            while isinstance(target, ast.Subscript):
                target = target.value
            if isinstance(target, ast.Attribute) and target.attr == "data" and room != "sim.memory":
                wrong.append(told(room, node.lineno, "bytes reach a frame through Memory.copy, clear, user_store"))
    assert not wrong, "\n" + "\n".join(dict.fromkeys(wrong))
