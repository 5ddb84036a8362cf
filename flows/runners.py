"""The task runner on which chunks are mapped: threads. The engine releases the GIL, so they do run side by side."""

import os
from typing import Any

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

THREADS: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=os.cpu_count() or 1)
