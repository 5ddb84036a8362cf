"""Stage tasks: functions that a flow runs as Prefect tasks, and that everything else calls as they are, by `fn`.

Prefect is imported when a flow runs the first of them: a command that needs the function alone is spared 1.4 s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from prefect import Task

P = ParamSpec("P")
R = TypeVar("R")


class StageTask(Generic[P, R]):
    """A function, and the Prefect task made of it once it is needed. A call is a run of the task."""

    def __init__(self, fn: Callable[P, R], options: dict[str, Any]) -> None:
        update_wrapper(self, fn)
        self.fn = fn
        self._options = options

    @cached_property
    def task(self) -> Task[P, R]:
        """Prefect's task, which can be mapped and given other options."""
        from prefect import task  # noqa: PLC0415 - see above
        from prefect.cache_policies import NO_CACHE  # noqa: PLC0415

        return task(cache_policy=NO_CACHE, persist_result=False, **self._options)(self.fn)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it as a task; inside a flow only."""
        return self.task(*args, **kwargs)


def stage_task(**options: Any) -> Callable[[Callable[P, R]], StageTask[P, R]]:
    """Make a stage task of a function. `options` are Prefect's; nothing is cached and no result is kept."""
    return lambda fn: StageTask(fn, options)
