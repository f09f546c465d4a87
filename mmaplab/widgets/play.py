"""A task that ends: click pages to load or store, and reach a state in a few calls.

    def setup(): ...                        returns (kernel, process), the same each time
    play(setup, task="Make pages 5 to 20 present ...", goal=is_reached, calls=2)

Each click is a real access of the simulated process, and is shown as code that can be copied. A signal is an answer
too: it is shown, and the task goes on.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import ipywidgets

from mmaplab.constants import PAGE_SIZE
from mmaplab.interface import FatalSignal, MapsEntry, Process
from mmaplab.sim import Kernel
from mmaplab.sim import process as sim
from mmaplab.views.scene import final
from mmaplab.views.space import space
from mmaplab.widgets import twin
from mmaplab.widgets.pagebuttons import Looks

Setup = Callable[[], tuple[Kernel, sim.Process]]
Goal = Callable[[Kernel, sim.Process], bool]
Action = tuple[str, Callable[[Process], object]]

MOST_PAGES = 64
"""Pages of an area that are drawn as buttons."""


class Play(twin.Twin, ipywidgets.VBox):  # type: ignore[misc]
    """Buttons for pages, a log of the calls that were made, and a goal."""

    def __init__(self, setup: Setup, task: str, goal: Goal, calls: int, actions: Sequence[Action]) -> None:
        self.setup, self.goal, self.calls, self.task = setup, goal, calls, task
        self.heading = ipywidgets.HTML(f"<b>Task.</b> {html.escape(task)}")
        self.kind = ipywidgets.ToggleButtons(options=["load", "store"], style={"button_width": "5em"})
        self.again = ipywidgets.Button(description="Start again", icon="refresh")
        self.again.on_click(lambda _button: self.reset())
        self.extra = [ipywidgets.Button(description=code, layout={"width": "auto"}) for code, _ in actions]
        for button, action in zip(self.extra, actions, strict=True):
            button.on_click(lambda _button, action=action: self.act(*action))
        self.looks = Looks()
        self.stage, self.history, self.said = ipywidgets.VBox(), ipywidgets.HTML(), ipywidgets.HTML()
        controls = ipywidgets.HBox([self.kind, *self.extra, self.again], layout={"flex_flow": "row wrap"})
        super().__init__([self.heading, controls, self.stage, self.said, self.history])
        self.reset()

    def __repr__(self) -> str:
        return f"play({self.task!r})"

    def twin(self) -> str:
        """Return the task, and a picture of the state that it begins with."""
        kernel, process = self.setup()
        calls = ", ".join(["a load or a store by a click on a page", *(button.description for button in self.extra)])
        note = f"This is the beginning. At most {self.calls} calls: {calls}. Run the cell to make them."
        return f"<p><b>Task.</b> {html.escape(self.task)}</p>" + twin.shown(space(kernel, process.pid), note)

    def reset(self) -> None:
        """Begin anew, with a fresh kernel."""
        self.kernel, self.process = self.setup()
        self.made: list[str] = []
        self.done = False
        self.pages = {entry: self._buttons(entry) for entry in self.process.maps()}
        rows: list[ipywidgets.Widget] = []
        for name, (entry, buttons) in zip("abcdef", self.pages.items(), strict=False):
            title = f"<code>{name} = {entry.start:#x}</code> {html.escape(entry.perms)} {html.escape(entry.path)}"
            rows = [ipywidgets.HTML(title), ipywidgets.HBox(buttons, layout=self.looks.row), *rows]  # upward
        self.stage.children = rows
        self._show("Click a page.")

    def _buttons(self, entry: MapsEntry) -> list[ipywidgets.Button]:
        """Return a button for each page of an area."""
        count = min((entry.end - entry.start) // PAGE_SIZE, MOST_PAGES)
        buttons = [self.looks.button() for _ in range(count)]
        for page, button in enumerate(buttons):
            button.on_click(lambda _button, page=page: self.touch(entry, page))
        return buttons

    def touch(self, entry: MapsEntry, page: int) -> None:
        """Load or store one byte of a page, as the toggle says."""
        name = "abcdef"[list(self.pages).index(entry)]
        place = f"{name} + {page} * PAGE"
        if self.kind.value == "load":
            self.act(f"p.load({place})", lambda p: p.load(entry.start + page * PAGE_SIZE))
        else:
            self.act(f'p.store({place}, b"x")', lambda p: p.store(entry.start + page * PAGE_SIZE, b"x"))

    def act(self, code: str, call: Callable[[Process], object]) -> None:
        """Make one call on the simulated process, and judge the state that it leaves."""
        if self.done or len(self.made) >= self.calls:
            self._show("This round is over: press <b>Start again</b>.")
            return
        try:
            answer = repr(call(self.process))
        except (FatalSignal, OSError) as error:
            answer = str(error)
        self.made.append(f"{code:34} # {answer}")
        self.done = self.goal(self.kernel, self.process)
        left = self.calls - len(self.made)
        if self.done:
            self._show(f"✓ <b>Reached</b> in {len(self.made)} of {self.calls} calls.")
        elif left:
            self._show(f"{left} of {self.calls} calls left.")
        else:
            self._show("✗ The calls are used up, and the state is another one. Start again, and look after each call.")

    def _show(self, words: str) -> None:
        """Paint every page as its entry says, and the calls as code."""
        scene = final(self.kernel)
        for entry, buttons in self.pages.items():
            for page, button in enumerate(buttons):
                self.looks.paint(button, page, self.process.mm.pgd.get_pte(entry.start + page * PAGE_SIZE), scene)
        faults = self.process.faults()
        counted = f"{faults.minor} minor and {faults.major} major faults so far."
        self.said.value = f"<div role='status'>{words} {counted}</div>"
        code = html.escape("\n".join(self.made)) or "# nothing yet"
        self.history.value = f"<pre style='margin:0;line-height:1.35'>{code}</pre>"


def play(setup: Setup, *, task: str, goal: Goal, calls: int, actions: Sequence[Action] = ()) -> Play:
    """Return a task: reach `goal(kernel, process)` from `setup()` in at most `calls` calls.

    `actions` are further calls as (code as shown, function of the process). Raises ValueError for a goal that is
    reached before anything was done.
    """
    if goal(*setup()):
        raise ValueError(f"the task {task!r} is done before it begins: give another goal")
    return Play(setup, task, goal, calls, actions)
