"""Every table of the ledger, so that one import knows them all (migrations and tests need that)."""

from models.attestation import Disclosure, JournalCommit, Seal, Timestamp
from models.claimed import ClaimedPerformance
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
    "ClaimedPerformance",
    "CorporateAction",
    "Disclosure",
    "HomeFact",
    "InviteCode",
    "JournalCommit",
    "LakeFile",
    "Lease",
    "Notification",
    "QualityReport",
    "Seal",
    "Settlement",
    "Signal",
    "StatusChange",
    "Strategy",
    "Timestamp",
    "UniverseMember",
    "User",
]
