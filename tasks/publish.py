"""Publishing task: one call of the store. Repeating it changes nothing."""

from services.publication.publish import Publication, publish
from store.home import Home
from tasks.stage import stage_task


@stage_task()
def publish_lens(home: Home) -> Publication:
    """Publish the settled sessions in the lens."""
    return publish(home)
