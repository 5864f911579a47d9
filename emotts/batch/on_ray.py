"""A batch on a Ray cluster: each worker loads the model once and speaks groups until none is left."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from typing import Any

from emotts.batch.render import EngineSettings, Renderer, Result, failed
from emotts.batch.run import Task
from emotts.errors import InputError, MissingDependencyError

_NAMES = ("auto", "local")
_PATIENCE = 10.0  # seconds


class RaySpread:
    """Speaks tasks on a cluster; a `Spread`.

    Args:
        address: of the cluster; None starts one on this machine.
        workers: number of engines; None takes one for each node, at least one.

    Raises:
        MissingDependencyError: Ray is not installed.
        InputError: the cluster cannot be reached.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        try:
            import ray
        except ImportError:
            raise MissingDependencyError(
                '--ray needs ray; install it with: pip install "emotts[ray]"'
            ) from None
        self.ray = ray
        if not ray.is_initialized():
            _require_listener(address)
            try:
                ray.init(address=address, include_dashboard=None if address else False, log_to_driver=False)
            except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
                reason = str(error).strip().splitlines()[0]
                raise InputError(f"cannot reach the Ray cluster {address or 'here'}: {reason}") from None
        self.workers = workers or max(1, sum(node["Alive"] for node in ray.nodes()))

    def __call__(self, settings: EngineSettings, tasks: Sequence[Task]) -> Iterator[list[Result]]:
        """Yields the results of each task as it is done; a task whose worker dies fails."""
        ray = self.ray
        waiting = list(reversed(tasks))
        idle = [self._start(settings) for _ in range(min(self.workers, len(tasks)))]
        running: dict[Any, tuple[Any, Task]] = {}
        try:
            while waiting or running:
                while waiting and idle:
                    task, worker = waiting.pop(), idle.pop()
                    running[worker.render.remote(task.lines, task.together)] = (worker, task)
                ready, _ = ray.wait(list(running), num_returns=1)
                worker, task = running.pop(ready[0])
                try:
                    results = ray.get(ready[0])
                    idle.append(worker)
                except ray.exceptions.RayActorError as error:
                    reason = str(error).strip().splitlines()[0]
                    results = [failed(line, f"the worker died: {reason}") for line in task.lines]
                    idle.append(self._start(settings))
                yield results
        finally:
            for worker in [*idle, *(worker for worker, _ in running.values())]:
                ray.kill(worker)

    def _start(self, settings: EngineSettings) -> Any:
        cuda = settings.device.startswith("cuda")
        needs = {"num_cpus": settings.threads or 1, "num_gpus": 1 if cuda else 0}
        remote = self.ray.remote(scheduling_strategy="SPREAD", **needs)(Renderer)
        return remote.remote(settings)


def _require_listener(address: str | None) -> None:
    """Refuses an address where nobody listens: Ray itself would try for many minutes.

    Raises:
        InputError: it is no address, or nobody listens there.
    """
    if address is None or address in _NAMES:
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 65536):
        raise InputError(f"--ray-address {address!r} is none; write HOST:PORT, ray://HOST:PORT or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot reach the Ray cluster {address}: {reason}") from None
