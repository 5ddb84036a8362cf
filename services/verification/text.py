"""Reports of verification and audit as text for people. Text from a repository is shown without control characters."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from countersign.domain.attestation.journal import Fault
from countersign.domain.attestation.timeliness import TimeClass
from countersign.domain.verification.audit import UNREADABLE, Audit
from countersign.domain.verification.receipts import ReceiptCheck
from countersign.domain.verification.report import Report
from countersign.domain.verification.resettlement import Doubt
from countersign.domain.verification.retirements import Retired

SHOWN = 20


def render_report(report: Report) -> str:
    """Summarise a report: its scope, the verdict, and the faults."""
    strategies = len(report.gaps)
    margins = sorted(signal.margin_seconds for signal in report.signals)
    evidence = Counter(str(signal.evidence) for signal in report.signals)
    simulated = sum(signal.simulated for signal in report.signals)
    gaps = {slug: sessions for slug, sessions in report.gaps.items() if sessions}
    lines = [
        f"head        {report.head}",
        f"clock       {SIMULATED if report.simulated else 'system'}",
        f"commits     {report.commits}, {report.first_commit_at:%F %T} to {report.last_commit_at:%F %T} UTC",
        f"signatures  against {'the keys given' if report.pinned else KEYS_FROM_JOURNAL}",
        f"signals     {len(report.signals)} of {_count(strategies, 'strategy', 'strategies')}"
        + (f", {simulated} marked as simulated" if simulated else ""),
        *(
            [f"margin      {margins[0]:,.0f} s at the least, {margins[len(margins) // 2]:,.0f} s median"]
            if margins
            else []
        ),
        f"sealed      {_tally(report.classes) or 'nothing'}",
        *_owners(report),
        *_sealed_late(report),
        f"evidence    {_tally(evidence) or 'none'}{_tokens(report)}",
        f"settled     {_count(report.settled, 'session', 'sessions')}, {_replayed(report)}",
        *_corrected(report.corrected),
        *_retired(report.retired),
        *_receipts(report.receipts),
        f"gaps        {sum(map(len, gaps.values()))} sessions without a signal, {len(gaps)} strategies",
        *(f"            {slug}: {_listed([str(day) for day in days])}" for slug, days in list(gaps.items())[:SHOWN]),
    ]
    lines += _warnings(report.warnings)
    if report.holds:
        return "\n".join([*lines, "", "Everything holds."])
    return "\n".join([*lines, "", *_faults(report.faults)])


SIMULATED = "simulated: a rehearsal, whose dates prove nothing"
KEYS_FROM_JOURNAL = "the journal's own allowed_signers (pin the keys with --signers to know whose it is)"


def _owners(report: Report) -> list[str]:
    signed = sum(signal.owner_signed for signal in report.signals)
    return [f"owners      {signed} of {len(report.signals)} signals carry their owner's signature"] if signed else []


def render_audit(audit: Audit) -> str:
    """Summarise an audit, with a line for everything that is not in time or cannot be read."""
    late = [finding for finding in audit.findings if finding.kind != TimeClass.ON_TIME]
    lines = [
        f"commits          {audit.commits}, {audit.unsigned_commits} unsigned",
        f"entries          {audit.entries} (date, strategy, hash)",
        f"before deadline  {audit.before_deadline}, by the committers' word",
        f"after deadline   {audit.after_deadline}",
        f"hashes           {audit.shared_hashes} shared, {audit.truncated_hashes} truncated",
        f"unreadable       {sum(finding.kind == UNREADABLE for finding in audit.findings)}",
    ]
    for finding in late[:SHOWN]:
        at = f"{finding.committed_at:%F %T} UTC"
        subject = f"{finding.date} {clean(finding.strategy or '?')} {clean(finding.hash[:16] or '?')}"
        why = f": {clean(finding.detail)}" if finding.detail else ""
        lines.append(f"{finding.kind:<16} {subject} committed {at} in {finding.commit[:12]}{why}")
    return "\n".join([*lines, *([f"... and {len(late) - SHOWN} more"] if len(late) > SHOWN else [])])


def clean(text: str) -> str:
    """Show control signs as escapes, so that a repository cannot write on the reader's terminal."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _faults(faults: Sequence[Fault]) -> list[str]:
    """Each kind with its number, then the first ones of it."""
    kinds = Counter(fault.kind for fault in faults)
    lines = [f"{_count(len(faults), 'fault', 'faults')}:"]
    for kind, number in kinds.items():
        lines.append(f"{kind} ({number})")
        ours = [fault for fault in faults if fault.kind == kind]
        for fault in ours[:SHOWN]:
            commit = f"commit {fault.commit[:12]}" if fault.commit else ""
            place = " ".join(part for part in (commit, fault.path or fault.strategy) if part)
            session = "" if fault.path else fault.session
            lines.append(
                clean("  " + ": ".join(part for part in (" ".join((place, session)).strip(), fault.detail) if part))
            )
        if number > SHOWN:
            lines.append(f"  ... and {number - SHOWN} more")
    return lines


def _warnings(doubts: Sequence[Doubt]) -> list[str]:
    """Warnings of a report: worth a look, and not faults."""
    if not doubts:
        return []
    lines = [f"  {clean(f'{doubt.kind} {doubt.session}: {doubt.detail}')}" for doubt in doubts[:SHOWN]]
    more = [f"  ... and {len(doubts) - SHOWN} more"] if len(doubts) > SHOWN else []
    return ["", f"{_count(len(doubts), 'warning', 'warnings')}:", *lines, *more]


def _tokens(report: Report) -> str:
    if report.tokens_unchecked:
        return f"; {report.tokens_unchecked} timestamp tokens not checked (give certificates with --tsa-ca)"
    return f"; {report.tokens_checked} timestamp tokens checked" if report.tokens_checked else ""


def _replayed(report: Report) -> str:
    if report.replayed is None:
        return "none settled again (give bars with --bars)"
    return f"{report.replayed} settled again from the bars given"


def _sealed_late(report: Report) -> list[str]:
    seconds = [each.seconds_late for each in report.signals if each.time_class is TimeClass.SEALED_LATE]
    if not seconds:
        return []
    return [f"            {len(seconds)} sealed late: at the most {max(seconds):,.0f} s after the deadline"]


def _corrected(sessions: Sequence[date]) -> list[str]:
    if not sessions:
        return []
    return [f"corrected   {_count(len(sessions), 'session', 'sessions')}: {_listed([str(day) for day in sessions])}"]


def _retired(ended: Sequence[Retired]) -> list[str]:
    if not ended:
        return []
    lines = [f"retired     {_count(len(ended), 'strategy', 'strategies')}"]
    for each in ended[:SHOWN]:
        when = f"{each.retired_at:%F %T} UTC" if each.retired_at else "without a record"
        where = f"NAV {each.nav} on {each.session}" if each.session else "never settled"
        lines.append(f"            {each.strategy}: {when}, {where}")
    return [*lines, *([f"            and {len(ended) - SHOWN} more"] if len(ended) > SHOWN else [])]


def _receipts(held: ReceiptCheck | None) -> list[str]:
    if held is None:
        return []
    waiting = f", {held.not_yet} newer than what is committed: not yet" if held.not_yet else ""
    return [f"receipts    {held.receipts}, {held.sealed} of them sealed as they say{waiting}"]


def _tally(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
