"""Publishing task: one call of the store. Repeating it changes nothing."""

from countersign.services.publication.publish import Publication, publish
from countersign.store.home import Home
from countersign.tasks.stage import stage_task


@stage_task()
def publish_lens(home: Home) -> Publication:
    """Publish the settled sessions in the lens."""
    return publish(home)
