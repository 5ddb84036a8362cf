"""What the fork server imports once, for all processes of tests.support.processes."""

import store.home
import tasks.settlement

__all__ = ["store", "tasks"]
