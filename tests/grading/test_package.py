"""The copy of the package that answers are graded with: no reference in it, and a kernel that runs all the same."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mmaplab.grading import package
from mmaplab.grading.contracts import CONTRACTS
from mmaplab.grading.difference import first_difference
from mmaplab.grading.families import SLOT_FAMILIES, generate
from mmaplab.grading.observe import observe
from mmaplab.grading.package import missing_rooms, package_without
from mmaplab.sim.kernel import REFERENCE

from .helpers import ROOT

SEEN = """
import json, sys
sys.path.append(sys.argv[1])
from tests.grading.versions import all_versions
from mmaplab.grading.families import SLOT_FAMILIES, generate
from mmaplab.grading.observe import observe
right = {version.slot: version.function for version in all_versions() if version.calls is None}
seen = {}
for slot, families in SLOT_FAMILIES.items():
    for family in families:
        seen[f"{slot} {family}"] = observe(generate(family, 1), right)
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen() -> dict:
    """What right versions of all slots together show on a copy that has none of the references."""
    with package_without(CONTRACTS) as folder:
        environment = os.environ | {"PYTHONPATH": str(folder)}
        command = [sys.executable, "-c", SEEN, str(ROOT)]
        ran = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout)


@pytest.mark.parametrize("slot", CONTRACTS)
def test_a_right_version_needs_no_reference(slot: str, seen: dict) -> None:
    for family in SLOT_FAMILIES[slot]:
        came = seen[f"{slot} {family}"]
        assert first_difference(observe(generate(family, 1)), came) is None, (family, came)


RESTORED = """
import hashlib, inspect, json, sys
import mmaplab.grading.observe
from mmaplab.grading.serve import restore
from mmaplab.sim.kernel import REFERENCE
rooms = json.load(sys.stdin)
before = {slot: getattr(REFERENCE, slot).__code__.co_code.hex() for slot in vars(REFERENCE)}
restore({"rooms": rooms}, {})
seen = {slot: [getattr(REFERENCE, slot).__code__.co_code.hex(), before[slot]] for slot in vars(REFERENCE)}
texts = {slot: inspect.getsource(getattr(REFERENCE, slot)) for slot in vars(REFERENCE)}
print(json.dumps([seen, texts]))
"""


@pytest.mark.parametrize("slot", ["", *CONTRACTS])
def test_an_answers_process_gets_all_references_back_but_the_one_that_is_asked_for(slot: str) -> None:
    with package_without(CONTRACTS) as folder:
        rooms = missing_rooms(folder, CONTRACTS, {slot} - {""})
        environment = os.environ | {"PYTHONPATH": str(folder)}
        command = [sys.executable, "-c", RESTORED]
        ran = subprocess.run(
            command, env=environment, cwd=folder, input=json.dumps(rooms), capture_output=True, text=True, timeout=120
        )
    assert ran.returncode == 0, ran.stderr[-2000:]
    seen, texts = json.loads(ran.stdout)
    for name, (now, before) in seen.items():
        reference = getattr(REFERENCE, name)
        assert (now == reference.__code__.co_code.hex()) is (name != slot), name
        assert (now == before) is (name == slot), name
        assert (texts[name] == inspect.getsource(reference)) is (name != slot), name


def test_the_folder_of_a_killed_grader_is_removed_and_that_of_a_living_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(package, "NEW_SECONDS", -1)
    forgotten = tmp_path / "grading-forgotten" / "mmaplab"
    forgotten.mkdir(parents=True)
    other = tmp_path / "grading-of-others"
    other.mkdir()
    with package_without(()) as living, package_without(()) as second:
        assert not forgotten.parent.exists() and other.exists()
        assert (living / "mmaplab" / "cli.py").exists() and (second / "mmaplab" / "cli.py").exists()
