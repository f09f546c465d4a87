"""A program of one's own: each learner predicts another one, made from their name: a neighbour's numbers are wrong.

    seed = "Anna"                       variant("fault-own", seed)          the program, its lines numbered
    mine = [0, 0, 1, ...]               variant("fault-own", seed).again()  another one, and the seed it has
    check("fault-own", seed, mine)

A test of the kind `variant` names a family of programs (families/) and what it asks for. Desk and grader make the same
program from the seed, and run it on the reference: there is no list of answers anywhere. Whoever copies the seed as
well has the neighbour's program; `mmaplab similar` lists the seeds, and marks those that several have given, and
`mmaplab grade --student` takes no seed but the name in the submission's path (owner.py).

    asks            the answer
    faults          a list: for each line of the program, the faults that it takes, minor and major together
    minor, major    the same, of one kind
    pages copied, blocks read, blocks written       a number, for the whole program
    ends, areas, bytes copied, letters, file pages  a list: see lines.py
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mmaplab.calls import call_text
from mmaplab.grading.ask import Ask
from mmaplab.grading.asked import Finding, Unanswered, asked, wrong_value
from mmaplab.grading.families import FAMILIES, generate
from mmaplab.grading.lines import ASKS, OF_EACH_LINE, lines_of
from mmaplab.grading.observe import WORK, observe
from mmaplab.grading.owner import is_own
from mmaplab.grading.plain import Plain, same, told
from mmaplab.grading.programs import Scenario
from mmaplab.grading.questions import Test

FAULTS = {"faults": (0, 1), "minor": (0,), "major": (1,)}
"""Which of an observation's two counts are added up."""
NOBODY = ("", "your name")
"""Seeds that nobody has given."""
LONGEST_SEED = 80


@dataclass(frozen=True)
class Variant:
    """One learner's program. Shown as text and as HTML."""

    family: str
    asks: str
    seed: str

    @property
    def scenario(self) -> Scenario:
        """The program; the same seed gives the same one on every machine."""
        number = int.from_bytes(
            hashlib.sha256(f"{self.family} {self.seed}".encode("utf-8", "replace")).digest()[:6], "big"
        )
        return generate(self.family, number)

    def again(self) -> Variant:
        """Return another program for the same learner: "Anna", "Anna 2", "Anna 3"."""
        stem, number = re.fullmatch(r"(.*?)(?: (\d+))?", self.seed, re.DOTALL).groups()  # type: ignore[union-attr]
        return Variant(self.family, self.asks, f"{stem} {int(number or 1) + 1}")

    def lines(self) -> list[str]:
        """Return the program's lines; those that count are numbered from 0 on."""
        program = self.scenario
        head = [f"   {line}" for line in program.lines()[: -len(program.calls)]]
        return [*head, *(f"{number:2} {call_text(call)}" for number, call in enumerate(program.calls))]

    def __repr__(self) -> str:
        return "\n".join([f'seed = "{self.seed}"; asked: {self.asks}', *self.lines()])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def expected_of(own: Variant) -> Plain:
    """Return the right answer, from a run on the reference; learners should not meet it on the program itself."""
    if own.asks in ASKS:
        return ASKS[own.asks](lines_of(own.scenario))
    steps = [step for step in observe(own.scenario) if isinstance(step, dict) and "outcome" in step]
    if own.asks in FAULTS:
        return [sum(counts(step["faults"])[which] for which in FAULTS[own.asks]) for step in steps]
    return sum(int(str(work[own.asks])) for step in steps if isinstance(work := step["work"], dict))


def counts(faults: Plain) -> list[int]:
    """Return an observation's two counts."""
    return [int(str(count)) for count in faults] if isinstance(faults, list) else [0, 0]


def variant_of(spec: Mapping[str, Plain], seed: object) -> Variant:
    """Return the variant that a test's description and a seed make. Raises ValueError for either."""
    family, asks = str(spec.get("family")), str(spec.get("asks"))
    if family not in FAMILIES or asks not in (*FAULTS, *WORK, *ASKS):
        raise ValueError(f"a variant needs a family of programs, and asks for {', '.join([*FAULTS, *WORK, *ASKS])}")
    if not isinstance(seed, str | int) or isinstance(seed, bool) or str(seed).strip().lower() in NOBODY:
        raise ValueError("give your name, as a text: your own program is made from it")
    if len(str(seed)) > LONGEST_SEED:
        raise ValueError(f"the seed has {len(str(seed))} letters; at most {LONGEST_SEED} are taken")
    return Variant(family, asks, str(seed).strip())


# ---------------------------------------------------------------- the test


def judge_variant(test: Test, ask: Ask) -> Finding:
    """Compare an answer with that for the learner's own program, which their `seed` makes; see variant.py."""
    seed = asked(replace(test, answer=str(test.spec.get("seed", "seed"))), ask, {"do": "value"}, "value")
    try:
        own = variant_of(test.spec, seed)
    except ValueError as error:
        raise Unanswered(f"{error}.") from None
    owner = str(test.spec.get("owner", ""))
    if owner and not is_own(own.seed, owner):
        raise Unanswered(f"the seed is {own.seed!r}; this work is of {owner!r}, whose seed is their name.")
    value = asked(test, ask, {"do": "value"}, "value")
    if value is None:
        raise Unanswered("not answered yet.")
    expected = expected_of(own)
    if same(value, expected):
        return Finding(test, True, f"right for the program of {own.seed!r}")
    if test.hidden or not isinstance(value, list) or not isinstance(expected, list):
        return Finding(test, False, wrong_value(test, value, expected))
    return Finding(test, False, first_wrong(value, expected, own.asks), tuple(own.lines()))


def first_wrong(value: list[Plain], expected: list[Plain], asks: str) -> str:
    """Return where an answer differs first from what was expected."""
    each_line = asks in (*FAULTS, *OF_EACH_LINE)
    if len(value) != len(expected):
        what = f"the program has {len(expected)} lines" if each_line else f"{len(expected)} calls of it hand over bytes"
        return f"{what}, and the answer has {len(value)} items."
    at = next(i for i, (one, other) in enumerate(zip(value, expected, strict=True)) if not same(one, other))
    return f"{'line' if each_line else 'item'} {at}: expected {told(expected[at])}, came {told(value[at])}."
