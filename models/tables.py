"""Every table of the ledger, so that one import knows them all (migrations and tests need that)."""

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
    "HomeFact",
    "InviteCode",
    "LakeFile",
    "Lease",
    "Notification",
    "QualityReport",
    "Settlement",
    "Signal",
    "StatusChange",
    "Strategy",
    "UniverseMember",
    "User",
]
