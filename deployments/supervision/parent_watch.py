"""Run a module as `python -m` would, but end when the parent does, however that died.

The parent holds the other end of this process's standard input; when it closes, even by kill -9, this process gets the
ordinary interrupt, and after `PATIENCE_SECONDS` its whole group is killed. Works wherever pipes do.

    python -m countersign.deployments.supervision.parent_watch MODULE [ARGUMENT …]
"""

import os
import runpy
import signal
import sys
import threading
import time

from countersign.store.privacy import keep_to_owner

PATIENCE_SECONDS = 10


def _end_with_parent(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(PATIENCE_SECONDS)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def main() -> None:
    """Take the parent's pipe off standard input, so that no child of ours inherits it, and become the module."""
    keep_to_owner()
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    # A shell starts background jobs with the interrupt ignored, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
