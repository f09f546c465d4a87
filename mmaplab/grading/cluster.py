"""The same units of work on a Dask cluster: `mmaplab grade ... --cluster tcp://scheduler:8786`.

    pip install '.[cluster]'                                    in the course's folder, on every machine, all alike
    dask scheduler                                              on one machine
    dask worker tcp://scheduler:8786 --nworkers 4 --nthreads 1  on each of the others

Every worker makes a workplace of its own: its machine's sandbox, and copies of the package without the references.
The masters travel to the workers; hidden tests never enter a sandbox. A unit whose worker dies is done by another one.
Dask's own connections are not encrypted unless the cluster is set up so: a cluster belongs into a trusted network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice

from distributed import Client, KilledWorker, Worker, WorkerPlugin, as_completed, get_worker

from mmaplab import __version__
from mmaplab.grading.finding import CannotGrade, Found, content
from mmaplab.grading.runner import Grader, Result, SandboxFailed
from mmaplab.grading.units import ON_A_CLUSTER, Kit, grade_one, ungraded, workplace

PLUGIN = "mmaplab-grading"
AHEAD = 3
"""Units that wait on the cluster for each thread of a worker; more would only fill its memory."""
GAVE_UP = "Not graded: several workers of the cluster died while they had it. Grade again with --resume."


class Workplace(WorkerPlugin):  # type: ignore[misc]
    """What each worker of the cluster gets, also one that joins later or begins anew."""

    name = PLUGIN

    def __init__(self, kit: Kit, version: str = __version__) -> None:
        self.kit, self.version = kit, version
        self.grader: Grader | None = None

    def setup(self, worker: Worker) -> None:
        """Make the workplace; raises CannotGrade where this machine has no sandbox or another mmaplab."""
        if self.version != __version__:
            raise CannotGrade(f"a worker has mmaplab {__version__}, and this is {self.version}: install the same one")
        self.stack = ExitStack()
        self.grader = self.stack.enter_context(workplace(self.kit))

    def teardown(self, worker: Worker) -> None:
        """Remove the workplace."""
        if self.grader is not None:
            self.stack.close()


def unit(name: str, data: bytes, complaint: str) -> Result:
    """Grade one submission on a worker."""
    return grade_one(grader_of(get_worker()), name, data, complaint)


def grader_of(worker: Worker) -> Grader:
    """Return the grader of a worker."""
    grader = worker.plugins[PLUGIN].grader
    assert isinstance(grader, Grader)
    return grader


def protection_here(dask_worker: Worker) -> str:
    """Return the sentence about a worker's protection; Dask fills in the worker."""
    return grader_of(dask_worker).protection.sentence


@contextmanager
def cluster(address: str, kit: Kit) -> Iterator[Client]:
    """Connect to a cluster and prepare its workers; raises CannotGrade where that does not work."""
    try:
        client = Client(address, timeout=20, set_as_default=False)
    except (OSError, ValueError) as error:
        raise CannotGrade(f"there is no Dask scheduler at {address}: {error}") from None
    with client:
        if not client.ncores():
            raise CannotGrade(f"the cluster at {address} has no workers: start some with `dask worker {address}`")
        try:
            client.register_plugin(Workplace(kit))
        except ImportError as error:
            raise CannotGrade(f"the cluster's workers need mmaplab and its extra `cluster`: {error}") from None
        try:
            yield client
        finally:
            client.unregister_worker_plugin(PLUGIN)


def protection_of(client: Client) -> str:
    """Return the protections that hold on the workers, in a sentence."""
    sentences = sorted(set(client.run(protection_here).values()))
    return f"{ON_A_CLUSTER}{'; or '.join(sentences)}"


def on_cluster(client: Client, items: Sequence[Found]) -> Iterator[Result]:
    """Grade submissions on a cluster; yields each result when it is ready. Raises SandboxFailed."""
    left = iter(items)

    def submit(item: Found) -> object:
        # the key is new for each: the same bytes under two names are two submissions
        return client.submit(unit, item.name, *content(item), pure=False)

    names = {}
    running = as_completed(loop=client.loop)
    for item in islice(left, AHEAD * max(1, sum(client.ncores().values()))):
        future = submit(item)
        names[future] = item.name
        running.add(future)
    for future in running:
        yield result_of(future, names.pop(future))
        for item in islice(left, 1):
            following = submit(item)
            names[following] = item.name
            running.add(following)


def result_of(future: object, name: str) -> Result:
    """Return what a future holds; a sentence where workers died with it, again and again."""
    try:
        return future.result()  # type: ignore[attr-defined, no-any-return]
    except KilledWorker:
        return ungraded(name, b"", GAVE_UP)


__all__ = ["CannotGrade", "SandboxFailed", "cluster", "on_cluster", "protection_of"]
