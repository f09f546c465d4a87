"""Pictures of random programs: they hold what the kernel holds, count what was counted, and stay readable."""

from __future__ import annotations

from contextlib import suppress

import pytest

from mmaplab import ledger
from mmaplab.calls import perform
from mmaplab.fuzz.generate import generate
from mmaplab.fuzz.profiles import PROFILES
from mmaplab.sim import Kernel
from mmaplab.sim.pipe import WouldBlock
from mmaplab.views.frames import frames
from mmaplab.views.linked import linked
from mmaplab.views.scene import final
from mmaplab.views.space import space
from tests.views.pictures import collisions, outside, thick_arrows
from tests.views.test_scene import scene_of

PROGRAMS = [(profile, seed) for profile in PROFILES for seed in (1, 2)]


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda which: f"{which[0]}-{which[1]}")
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """The kernel after a random program of 25 calls."""
    profile, seed = request.param
    program = generate(profile, seed, steps=25)
    kernel = Kernel()
    for path, data in program.files.items():
        kernel.create_file(path, data.bytes(), warm=program.warm)
    names: dict[str, object] = {"kernel": kernel, "p": kernel.spawn(), **program.places}
    for call in program.calls:
        with suppress(WouldBlock):  # a read of an empty pipe
            perform(call, names)
    return kernel


def test_the_fold_of_all_events_is_what_the_kernel_holds(kernel: Kernel) -> None:
    folded, real = final(kernel), scene_of(kernel)
    for space_seen in folded.spaces.values():
        real.spaces[space_seen.mm].tables = space_seen.tables
    assert folded == real


def test_every_picture_is_readable(kernel: Kernel) -> None:
    pictures = [linked(kernel), linked(kernel, last=5), frames(kernel)]
    pictures += [space(kernel, pid) for pid in kernel.processes]
    for picture in pictures:
        assert not collisions(picture), picture.text
        assert not outside(picture), picture.text


def test_counting_the_thick_arrows_gives_the_copies(kernel: Kernel) -> None:
    assert thick_arrows(linked(kernel)) == sum(ledger.copy_counts(kernel.trace.last()).values())
