"""Publishing task: one call of the store. Repeating it changes nothing."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from store.home import Home
from store.lens import Published, publish


@task(cache_policy=NO_CACHE, persist_result=False)
def publish_lens(home: Home) -> Published:
    """Publish the settled sessions in the lens."""
    return publish(home)
