"""Every table of the ledger, so that one import knows them all (migrations and tests need that)."""

from models.attestation import Disclosure, JournalCommit, Seal, Timestamp
from models.external import ExternalSignal, Gap, PollState, PollTally, QuarantinedItem, Source
from models.lake import LakeFile
from models.market import CorporateAction, QualityReport, UniverseMember
from models.operations import AuditEntry, HomeFact, Lease, Notification
from models.settlement import Settlement
from models.signals import Signal
from models.strategies import StatusChange, Strategy
from models.users import ApiKey, InviteCode, User

__all__ = [
    "ApiKey",
    "AuditEntry",
    "CorporateAction",
    "Disclosure",
    "ExternalSignal",
    "Gap",
    "HomeFact",
    "InviteCode",
    "JournalCommit",
    "LakeFile",
    "Lease",
    "Notification",
    "PollState",
    "PollTally",
    "QualityReport",
    "QuarantinedItem",
    "Seal",
    "Settlement",
    "Signal",
    "Source",
    "StatusChange",
    "Strategy",
    "Timestamp",
    "UniverseMember",
    "User",
]
