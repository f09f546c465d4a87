"""The shortest program that still shows a difference: fewer calls first, then plainer ones, then smaller numbers.

    6 calls on a file of 24 pages  ->  fewer: 3 calls  ->  plainer: anonymous memory, no file  ->  smaller: one page

What is left is minimal: no call, and no two calls, can be left out any more, and no step below makes it plainer.
The first step is delta debugging (mmaplab.fuzz.shrink); the others are tried one by one until none helps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from mmaplab.calls import PARAMETERS, Argument, Call, Name
from mmaplab.constants import MAP_TYPE, PAGE_SIZE, Map, Prot
from mmaplab.fuzz.shrink import shrink
from mmaplab.grading.programs import Scenario, affordable

BUDGET = 400
"""How many programs are tried at most."""
PAIRS = 10
"""Programs of so many calls are also tried without every two of them."""

Fails = Callable[[Scenario], bool]


def shorten(scenario: Scenario, fails: Fails, budget: int = BUDGET) -> Scenario:
    """Return the smallest program found that still fails; `fails` is asked `budget` times at most.

    Raises ValueError where the program does not fail.
    """
    trial = Trial(fails, budget)
    scenario = replace(
        scenario,
        calls=tuple(shrink(scenario.calls, lambda calls: trial(replace(scenario, calls=tuple(calls))), budget // 3)),
    )
    while True:
        before = scenario
        for step in (fewer, plainer, smaller):
            scenario = exhaust(scenario, step, trial)
        if scenario == before:
            return renamed(scenario)


class Trial:
    """Asks whether a program fails, each one once, until the budget is spent; then nothing fails any more."""

    def __init__(self, fails: Fails, budget: int) -> None:
        self.fails, self.left = fails, budget
        self.known: dict[tuple[str, ...], bool] = {}

    def __call__(self, scenario: Scenario) -> bool:
        """Does the program fail?"""
        key = tuple(scenario.lines())
        if key not in self.known:
            if self.left <= 0 or not affordable(scenario.calls):
                return False
            self.left -= 1
            self.known[key] = self.fails(scenario)
        return self.known[key]


def exhaust(scenario: Scenario, step: Callable[[Scenario], Iterable[Scenario]], trial: Trial) -> Scenario:
    """Take a step as often as it gives a program that still fails."""
    while True:
        found = next((shorter for shorter in step(scenario) if trial(shorter)), None)
        if found is None:
            return scenario
        scenario = found


# ---------------------------------------------------------------- fewer


def fewer(scenario: Scenario) -> Iterator[Scenario]:
    """Yield the program without one call, without two, without a setting, without a file that nobody opens."""
    calls = scenario.calls
    for i, call in enumerate(calls):
        yield replace(scenario, calls=without(calls, (i,)))
        if call.name == "mmap" and isinstance(call.args[0], int):  # the place stays, with nothing in it
            rest = [placed(other, call.gives, call.args[0]) for other in calls[i + 1 :]]
            yield replace(scenario, calls=useful((*calls[:i], *rest)))
    if len(calls) <= PAIRS:
        for pair in combinations(range(len(calls)), 2):
            yield replace(scenario, calls=without(calls, pair))
    for key in scenario.config:
        yield replace(scenario, config={k: v for k, v in scenario.config.items() if k != key})
    opened = {call.args[0] for call in calls if call.name == "open"}
    used = tuple(file for file in scenario.files if file.path in opened)
    if used != scenario.files:
        yield replace(scenario, files=used)


def without(calls: Sequence[Call], left_out: Sequence[int]) -> tuple[Call, ...]:
    """Return the calls without some, by their positions."""
    return tuple(call for i, call in enumerate(calls) if i not in left_out)


def placed(call: Call, names: Sequence[str], addr: int) -> Call:
    """Return a call with an address in place of a name."""
    args = [addr + arg.offset if isinstance(arg, Name) and arg.name in names else arg for arg in call.args]
    return replace(call, args=tuple(args))


# ---------------------------------------------------------------- plainer


def plainer(scenario: Scenario) -> Iterator[Scenario]:
    """Yield the program with one call made plainer: anonymous memory, a load, fewer rights, the first process."""
    for i, call in enumerate(scenario.calls):
        for other in plainer_calls(call):
            calls = (*scenario.calls[:i], other, *scenario.calls[i + 1 :])
            yield replace(scenario, calls=useful(calls))


def plainer_calls(call: Call) -> Iterator[Call]:
    """Yield plainer calls in place of one."""
    if call.name == "mmap":
        addr, length, prot, flags, fd, offset = call.args
        assert isinstance(flags, int)
        private = flags & ~MAP_TYPE | int(Map.MAP_PRIVATE)
        if fd != -1:
            for kind in (private, flags):
                yield replace(call, args=(addr, length, prot, kind | int(Map.MAP_ANONYMOUS), -1, 0))
        elif private != flags:
            yield replace(call, args=(addr, length, prot, private, fd, offset))
        if prot == int(Prot.PROT_READ | Prot.PROT_WRITE):
            yield replace(call, args=(addr, length, int(Prot.PROT_READ), flags, fd, offset))
    if call.name == "store":
        yield replace(call, name="load", args=(call.args[0], 1))
    if call.name in ("load", "store", "msync", "munmap", "mmap") and call.who != "p":
        yield replace(call, who="p")


def useful(calls: tuple[Call, ...]) -> tuple[Call, ...]:
    """Return the calls without those that open a file which no other call uses."""
    needed = {name for call in calls for name in call.needs}
    return tuple(call for call in calls if call.name != "open" or needed & set(call.gives))


# ---------------------------------------------------------------- smaller


def smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Yield the program with one number smaller."""
    for i, call in enumerate(scenario.calls):
        for args in smaller_args(call):
            yield replace(scenario, calls=(*scenario.calls[:i], replace(call, args=args), *scenario.calls[i + 1 :]))
    yield from smaller_areas(scenario)
    for i, file in enumerate(scenario.files):
        for npages in smaller_numbers(file.npages):
            other = replace(file, npages=npages)
            yield replace(scenario, files=(*scenario.files[:i], other, *scenario.files[i + 1 :]))


def smaller_areas(scenario: Scenario) -> Iterator[Scenario]:
    """Yield the program with one area smaller, and all that is counted from its start moved along."""
    for i, call in enumerate(scenario.calls):
        length = call.args[1] if call.name == "mmap" else 0
        assert isinstance(length, int)
        for npages in smaller_numbers(length // PAGE_SIZE):
            if npages:
                args = (call.args[0], npages * PAGE_SIZE, *call.args[2:])
                moved = [nearer(other, call.gives, length - npages * PAGE_SIZE) for other in scenario.calls[i + 1 :]]
                yield replace(scenario, calls=(*scenario.calls[:i], replace(call, args=args), *moved))


def nearer(call: Call, names: Sequence[str], nbytes: int) -> Call:
    """Return a call with what lies far behind one of the names moved towards it by `nbytes`."""
    args = [
        replace(arg, offset=arg.offset - nbytes)
        if isinstance(arg, Name) and arg.name in names and arg.offset >= nbytes
        else arg
        for arg in call.args
    ]
    return replace(call, args=tuple(args))


def smaller_args(call: Call) -> Iterator[tuple[Argument, ...]]:
    """Yield the arguments of a call with one of them smaller: whole pages where it counts bytes."""
    for i, (parameter, arg) in enumerate(zip(PARAMETERS[call.name], call.args, strict=False)):
        options: list[Argument] = []
        if isinstance(arg, Name):
            options = [replace(arg, offset=n * PAGE_SIZE) for n in smaller_numbers(arg.offset // PAGE_SIZE)]
            if arg.offset % PAGE_SIZE:
                options.append(replace(arg, offset=arg.offset & -PAGE_SIZE))
        elif parameter in ("length", "offset", "n") and isinstance(arg, int):
            least = 0 if parameter == "offset" else 1
            options = [n * PAGE_SIZE for n in smaller_numbers(arg // PAGE_SIZE) if n >= least]
        elif isinstance(arg, bytes) and len(arg) > 1:
            options = [arg[:1], arg[: len(arg) // 2]]
        for option in options:
            yield (*call.args[:i], option, *call.args[i + 1 :])


def smaller_numbers(number: int) -> list[int]:
    """Return some smaller numbers from 0 on, the smallest first."""
    return sorted({n for n in (0, number // 2, number - 16, number - 4, number - 1) if 0 <= n < number})


# ---------------------------------------------------------------- names


def renamed(scenario: Scenario) -> Scenario:
    """Return the program with plain names: areas a, b, c, ...; fd, fd2, ...; child, child2, ..."""
    names: dict[str, str] = {}
    for call in scenario.calls:
        for given in call.gives:
            letters = given.rstrip("0123456789")
            number = sum(name.rstrip("0123456789") == letters for name in names)
            plain = "abcdefghijklmnopqrstuvwxyz"[number : number + 1] if letters == "a" else letters
            names[given] = plain + str(number + 1) * (number > 0 and plain == letters) if plain else given
    return replace(scenario, calls=tuple(with_names(call, names) for call in scenario.calls))


def with_names(call: Call, names: Mapping[str, str]) -> Call:
    """Return a call with other names; what has none keeps its own."""
    args = [replace(arg, name=names.get(arg.name, arg.name)) if isinstance(arg, Name) else arg for arg in call.args]
    gives = tuple(names.get(name, name) for name in call.gives)
    return replace(call, who=names.get(call.who, call.who), args=tuple(args), gives=gives)
