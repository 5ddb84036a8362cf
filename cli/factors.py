"""Factors: measuring them again."""

from countersign.cli.common import HomeOption, JsonOption, SinceOption, UntilOption, group, prefect, show

factors = group("Alpha factors: measuring them again after a correction of bars.")


@factors.callback()
def _group() -> None:
    """Make a group of a program that has one command so far."""


@factors.command()
def revalidate(since: SinceOption, until: UntilOption, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Measure every factor again that was validated on bars of these days; the active ones stay active."""
    with prefect(home, "countersign.flows.factors") as opened:
        from countersign.flows.factors import factor_revalidation

        show(factor_revalidation(since.date(), until.date(), home=opened.path), as_json=as_json)
