"""The workbench: make calls on the simulated machine with controls, and see the areas, the pages and the disk change.

    workbench()                                         one file, one process; no task
    workbench(setup, task="...", goal=reached, calls=3) reach `goal(kernel, process)` in at most three calls

Every action is a real call of the simulated process; it is shown as code that can be copied and run (session.py).
Errors and signals are answers too.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets

from mmaplab.constants import PAGE_SIZE
from mmaplab.interface import MapsEntry
from mmaplab.sim import Kernel
from mmaplab.sim import process as sim
from mmaplab.views.areahistory import area_history
from mmaplab.views.linked import linked
from mmaplab.views.scene import final
from mmaplab.views.space import space
from mmaplab.views.svg import Svg
from mmaplab.views.timeline import timeline
from mmaplab.widgets import twin
from mmaplab.widgets.codebox import CodeBox
from mmaplab.widgets.joins import joins
from mmaplab.widgets.pagebuttons import Looks
from mmaplab.widgets.session import BENCH, GIVEN, Line, Session, Setup, bench
from mmaplab.widgets.themed import themed

Goal = Callable[[Kernel, sim.Process], bool]
Buttons = dict[int, tuple[int, ipywidgets.Button]]
Rows = dict[tuple[int, MapsEntry], tuple[ipywidgets.VBox, Buttons]]
"""By process and area: what is shown of it, and its buttons by address, each with its page number."""

PROTS = ("PROT_READ | PROT_WRITE", "PROT_READ", "PROT_NONE", "PROT_READ | PROT_EXEC")
FLAGS = ("MAP_SHARED", "MAP_PRIVATE", "MAP_SHARED | MAP_FIXED", "MAP_PRIVATE | MAP_FIXED")
VIEWS = {
    "areas": "address space",
    "calls": "areas after each call",
    "linked": "linked view of the last call",
    "time": "write-back time line",
}
ADVICE = ("MADV_DONTNEED", "MADV_WILLNEED", "MADV_RANDOM", "MADV_SEQUENTIAL", "MADV_NORMAL")
CAN = (
    "This is the beginning. Run the cell to map, unmap, protect and advise with controls, to load and store by clicks "
    "on pages, to fork, to run the flusher, and to pull the plug; each call is shown as code."
)
MOST_PAGES = 32
"""Pages of an area that are drawn as buttons."""


def _field(name: str, tip: str, value: int, low: int = 0) -> ipywidgets.BoundedIntText:
    """Return a labelled box for a number of pages."""
    box = ipywidgets.BoundedIntText(value=value, min=low, max=1 << 20, description=name, tooltip=tip)
    box.layout.width, box.style.description_width = "118px", "initial"
    return box


def _choice(name: str, options: Any, width: str) -> ipywidgets.Dropdown:
    """Return a labelled choice."""
    box = ipywidgets.Dropdown(options=options, description=name, layout={"width": width})
    box.style.description_width = "initial"
    return box


def _row(name: str, *children: ipywidgets.Widget) -> ipywidgets.HBox:
    """Return a row of controls with its name before it."""
    title = ipywidgets.HTML(f"<b>{name}</b>", layout={"width": "72px"})
    return ipywidgets.HBox([title, *children], layout={"flex_flow": "row wrap", "align_items": "center"})


class Workbench(twin.Twin, ipywidgets.VBox):  # type: ignore[misc]
    """Controls for calls, a button for each page, one picture, and the session as code."""

    def __init__(self, session: Session, task: str = "", goal: Goal | None = None, calls: int | None = None) -> None:
        self.session, self.task, self.goal, self.calls = session, task, goal, calls
        self.said = ipywidgets.HTML()
        self.stage, self.picture, self.code = ipywidgets.VBox(), ipywidgets.HTML(), CodeBox("The session as code")
        self.looks = Looks()
        self.rows: Rows = {}
        self.nothing = ipywidgets.HTML("No area yet: every access ends in SIGSEGV.")
        rows = [self._mapping(), self._range(), self._touching(), self._machine()]
        heading = [ipywidgets.HTML(f"<b>Task.</b> {html.escape(task)}")] if task else []
        super().__init__([*heading, *rows, self.stage, self.said, self.view, self.picture, self.code])
        self.add_class("mmaplab-workbench")
        self.view.observe(lambda _change: self._draw(), "value")
        self.who.observe(lambda _change: self._paint(), "value")
        self.reset()

    def __repr__(self) -> str:
        return f"workbench({self.task!r})" if self.task else "workbench()"

    def twin(self) -> str:
        """Return the task, and a picture of the machine before the first call."""
        kernel, process = self.session.setup()
        heading = f"<p><b>Task.</b> {html.escape(self.task)}</p>" if self.task else ""
        return heading + twin.shown(space(kernel, process.pid), CAN)

    # ---------------------------------------------------------------- controls

    def _button(self, name: str, tip: str, action: Callable[[], Line | None]) -> ipywidgets.Button:
        button = ipywidgets.Button(description=name, tooltip=tip, layout={"width": "auto"})
        button.on_click(lambda _button: self.act(action))
        return button

    def _mapping(self) -> ipywidgets.HBox:
        self.hint = ipywidgets.Text(value="0", description="address", layout={"width": "112px"})
        self.hint.style.description_width = "initial"
        self.pages = _field("pages", "length of the new area", 4)
        self.prot, self.flags = _choice("rights", PROTS, "250px"), _choice("flags", FLAGS, "176px")
        self.file = _choice("of", [("anonymous", -1)], "150px")
        self.offset = _field("from page", "the file page that the area begins with", 0)
        self.map = self._button("mmap", "make a new area", self._map)
        return _row("new area", self.file, self.offset, self.pages, self.prot, self.flags, self.hint, self.map)

    def _map(self) -> Line:
        return self.session.mmap(
            self.who.value,
            self.hint.value,
            self.pages.value,
            self.prot.value,
            self.flags.value,
            self.file.value,
            self.offset.value,
        )

    def _range(self) -> ipywidgets.HBox:
        """Return the controls for calls on a range of pages."""
        self.start = ipywidgets.Text(value="a", description="from", layout={"width": "110px"})
        self.start.style.description_width = "initial"
        self.count = _field("pages", "length of the range", 1)
        self.rights, self.advice = _choice("rights", PROTS, "250px"), _choice("advice", ADVICE, "200px")
        self.unmap = self._button("munmap", "remove the range", lambda: self._on_range("munmap"))
        self.protect = self._button(
            "mprotect", "change the rights of the range", lambda: self._on_range("mprotect", self.rights.value)
        )
        self.advise = self._button(
            "madvise", "advise the kernel about the range", lambda: self._on_range("madvise", self.advice.value)
        )
        self.sync = self._button("msync", "write the range back and wait", lambda: self._on_range("msync"))
        controls = (self.start, self.count, self.unmap, self.sync, self.rights, self.protect, self.advice, self.advise)
        return _row("pages", *controls)

    def _on_range(self, call: str, *more: str) -> Line:
        address = self.session.address(self.start.value)
        line: Line = getattr(self.session, call)(self.who.value, address, self.count.value, *more)
        return line

    def _touching(self) -> ipywidgets.HBox:
        self.kind = ipywidgets.ToggleButtons(options=["load", "store"], style={"button_width": "5em"})
        self.who = _choice("as", ["p1"], "110px")
        self.forked = self._button("fork", "make a child of this process", lambda: self.session.fork(self.who.value))
        note = ipywidgets.HTML("a click on a page below is a", layout={"margin": "0 6px"})
        self.place = ipywidgets.Text(value="0", description="or at address", layout={"width": "160px"})
        self.place.style.description_width = "initial"
        self.anywhere = self._button("touch", "load or store there, whether or not an area is there", self._touch)
        return _row("process", self.who, self.forked, note, self.kind, self.place, self.anywhere)

    def _touch(self) -> Line:
        return self.session.touch(self.who.value, self.session.address(self.place.value), self.kind.value)

    def _machine(self) -> ipywidgets.HBox:
        self.seconds = _field("seconds", "time to pass", 5, low=1)
        self.view = ipywidgets.ToggleButtons(
            options=[(words, name) for name, words in VIEWS.items()], style={"button_width": "auto"}
        )
        self.passed = self._button("tick", "let time pass", lambda: self.session.tick(self.seconds.value))
        self.flusher = self._button(
            "run the flusher",
            "let time pass until everything that is dirty now is old enough, and the flusher wakes up",
            self.session.run_flusher,
        )
        self.plug = self._button("pull the plug", "fail the power, start again from the disk", self._pull)
        self.again = ipywidgets.Button(description="Start again", icon="refresh", layout={"width": "auto"})
        self.again.on_click(lambda _button: self.reset())
        return _row("machine", self.seconds, self.passed, self.flusher, self.plug, self.again)

    # ---------------------------------------------------------------- acting

    def reset(self) -> None:
        """Begin anew, with a fresh kernel."""
        self.session.reset()
        self.rows = {}
        self.made, self.done, self.failure = 0, False, ""
        self._refresh("Make a call.")

    def touch(self, addr: int) -> None:
        """Load or store the first byte of a page, as the toggle says."""
        self.act(lambda: self.session.touch(self.who.value, addr, self.kind.value))

    def act(self, action: Callable[[], Line | None]) -> None:
        """Make one call, show what came of it, and judge the state that it leaves."""
        if self.done or (self.calls is not None and self.made >= self.calls):
            self._say("This round is over: press <b>Start again</b>.")
            return
        self.failure, before, seen = "", self._areas(), len(self.session.lines)
        try:
            line = action()
        except ValueError as error:  # what was typed is no address: no call was made
            self._say(html.escape(str(error)))
            return
        self.made += 1
        words = self._answer(line) + (self._joins(before) if line else "")
        self._refresh(words + self._verdict(), seen)

    def _areas(self) -> list[MapsEntry]:
        """Return the areas of the chosen process."""
        return self.session.processes[self.who.value].maps()

    def _joins(self, before: list[MapsEntry]) -> str:
        """Return what was split and merged by a call, in words."""
        told = html.escape(joins(before, self._areas(), self.session.where))
        return f" <b>{told[0].upper()}{told[1:]}.</b>" if told else ""

    def _pull(self) -> None:
        gone = self.session.pull_the_plug()
        self.failure = _failure(gone)
        self.gone = gone

    def _answer(self, line: Line | None) -> str:
        if line is None:
            return self.failure
        answer = html.escape(line.answer or "done")
        return f"<code>{html.escape(line.code)}</code>: {'<b>' * line.failed}{answer}{'</b>' * line.failed}."

    def _verdict(self) -> str:
        """Return how the task stands."""
        if self.goal is None:
            return ""
        self.done = self.goal(self.session.kernel, self.session.processes["p1"])
        if self.done:
            return f" ✓ <b>Reached</b> in {self.made} calls."
        if self.calls is None:
            return ""
        left = self.calls - self.made
        return f" {left} of {self.calls} calls left." if left else " ✗ The calls are used up: press <b>Start again</b>."

    # ---------------------------------------------------------------- showing

    def _say(self, words: str) -> None:
        self.said.value = f"<div role='status'>{words}</div>"

    def _refresh(self, words: str, seen: int | None = None) -> None:
        """Show the state after a call; of the session's lines, those from number `seen` on are new."""
        known = list(self.session.processes)
        if self.who.options != tuple(known):
            self.who.options = known
        scene = final(self.session.kernel)
        files = [
            (f"{scene.files[ino].name} (fd {fd})", fd)
            for (pid, fd), ino in sorted(scene.fds.items())
            if pid == self.session.processes[self.who.value].pid and ino in scene.files
        ]
        options = (*files, ("anonymous", -1))
        if self.file.options != options:
            self.file.options = options
        self._paint()
        self._draw()
        self._say(words)
        new = self.session.lines[seen:] if seen is not None else []
        self.code.show(self.session.code(), len("\n".join(map(str, new)).splitlines()))

    def _paint(self) -> None:
        """Show the pages of the chosen process as buttons; those of an area that is as it was are used again."""
        process = self.session.processes[self.who.value]
        rows = {(process.pid, entry): self.rows.get((process.pid, entry)) for entry in process.maps()}
        self.rows = {key: kept or self._area(key[1]) for key, kept in rows.items()}
        self.buttons = {addr: button for _, buttons in self.rows.values() for addr, button in buttons.items()}
        children = [row for row, _ in reversed(self.rows.values())] or [self.nothing]  # addresses grow upward
        if list(self.stage.children) != children:
            self.stage.children = children
        scene = final(self.session.kernel)
        for addr, (page, button) in self.buttons.items():
            self.looks.paint(button, page, process.mm.pgd.get_pte(addr), scene)

    def _area(self, entry: MapsEntry) -> tuple[ipywidgets.VBox, Buttons]:
        """Return an area's row, and its buttons with their page numbers, by address."""
        first, pages = entry.offset // PAGE_SIZE, (entry.end - entry.start) // PAGE_SIZE
        buttons: Buttons = {}
        for i in range(min(pages, MOST_PAGES)):
            addr = entry.start + i * PAGE_SIZE
            button = self.looks.button()
            button.on_click(lambda _button, addr=addr: self.touch(addr))
            buttons[addr] = (first + i, button)
        shown = ipywidgets.HBox([button for _, button in buttons.values()], layout=self.looks.row)
        return ipywidgets.VBox([self._title(entry, pages - MOST_PAGES), shown]), buttons

    def _title(self, entry: MapsEntry, more: int) -> ipywidgets.HTML:
        name = self.session.where(entry.start).replace(" * PAGE_SIZE", " pages")
        what = html.escape(f"{entry.perms} {entry.path or 'anonymous'}")
        tail = f", {more:,} pages more" if more > 0 else ""
        return ipywidgets.HTML(f"<b>{html.escape(name)}</b> <code>{entry.start:#x}</code> {what}{tail}")

    def _draw(self) -> None:
        """Draw the chosen view; where it has nothing to show, say so."""
        kernel = self.gone if self.failure and self.view.value == "time" else self.session.kernel
        try:
            self.picture.value = themed(self._picture(kernel))
        except ValueError as nothing:
            self.picture.value = html.escape(f"{VIEWS[self.view.value]}: {nothing}.")

    def _picture(self, kernel: Kernel) -> Svg:
        pid = self.session.processes[self.who.value].pid
        match self.view.value:
            case "calls":
                return area_history(kernel, pid)
            case "linked":
                return linked(kernel)
            case "time":
                return timeline(kernel)
        return space(kernel, pid)


def _failure(gone: Kernel) -> str:
    """Return what a power failure has left, in words."""
    try:
        lost = timeline(gone).description
    except ValueError:
        lost = "No file page was stored to, so nothing is lost."
    return f"The power has failed, and a new kernel runs. {html.escape(lost)}"


def workbench(
    setup: Setup | None = None, *, task: str = "", goal: Goal | None = None, calls: int | None = None
) -> Workbench:
    """Return a workbench on the machine that `setup()` returns as (kernel, process); one file of 8 pages without it.

    With `goal(kernel, process)`, it is a task to be done in at most `calls` calls. Raises ValueError for a goal that
    is reached before anything was done.
    """
    session = Session(setup or bench, GIVEN if setup else BENCH)
    if goal is not None and goal(session.kernel, session.processes["p1"]):
        raise ValueError(f"the task {task!r} is done before it begins: give another goal")
    return Workbench(session, task, goal, calls)
