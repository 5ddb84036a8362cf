"""Publishing task: one call of the store. Repeating it changes nothing."""

from store.home import Home
from store.lens import Published, publish
from tasks.stage import stage_task


@stage_task()
def publish_lens(home: Home) -> Published:
    """Publish the settled sessions in the lens."""
    return publish(home)
