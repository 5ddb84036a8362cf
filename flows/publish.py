"""Publishing flow: shows analysts and the api the settled sessions."""

from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from countersign.flows.runs import record_process
from countersign.flows.scheduled import run_name
from countersign.services.publication.publish import Publication
from countersign.settings import open_home
from countersign.store.home import Home
from countersign.tasks.publish import publish_lens


@flow(name="publish", flow_run_name=run_name("publish"), on_running=[record_process])
def publish(home: Path | None = None) -> str:
    """Publish the lens of `home` (default: the settings' home); return the version shown. Safe to repeat."""
    return publish_and_show(open_home(home)).version


def publish_and_show(home: Home) -> Publication:
    """Publish the lens as a step of the calling flow, and leave the operator a link to it."""
    published = publish_lens(home)
    create_markdown_artifact(describe(published), key="lens", description="The published lens")
    return published


def describe(published: Publication) -> str:
    """Describe a publication in Markdown: the lens's path and its contents."""
    news = f"new, {published.sessions_added} sessions added" if published.new else "nothing new"
    return (
        f"[{published.path.name}]({published.path.as_uri()})\n\n"
        f"- settled through: {published.settled_through or 'nothing settled yet'}\n"
        f"- {news}, {published.seconds:.2f} s\n"
        f"- `{published.path}`\n"
    )
