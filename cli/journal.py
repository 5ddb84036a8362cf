"""Journal against ledger and remote: commands that show a difference, and that resolve it."""

from countersign.cli.common import HomeOption, JsonOption, group, open_home, show

journal = group("The journal: where it differs from the ledger or its remote, and what resolves that.")


@journal.command("show")
def journal_show(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show where journal, ledger and remote stand, and what stops sealing, if anything."""
    from countersign.services.attestation.journal_repair import show_journal

    show(show_journal(open_home(home)), as_json=as_json)


@journal.command("reset")
def journal_reset(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Put the branch back to our newest commit. What somebody laid on it is kept under refs/kept."""
    from countersign.services.attestation.journal_repair import reset_journal

    opened = open_home(home)
    show(reset_journal(opened, opened.clock.now()), as_json=as_json)


@journal.command("accept")
def journal_accept(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Take the journal as it is: what it lacks is sealed again, with the dates of now. Look for a newer clone first."""
    from countersign.services.attestation.journal_repair import accept_journal

    opened = open_home(home)
    show(accept_journal(opened, opened.clock.now()), as_json=as_json)


@journal.command("fetch")
def journal_fetch(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Take the commits of ours that the remote has and the journal lacks."""
    from countersign.services.attestation.journal_repair import fetch_journal

    opened = open_home(home)
    show(fetch_journal(opened, opened.clock.now()), as_json=as_json)
