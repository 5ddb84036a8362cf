"""A timetable of tiny flows; their hour is far from any test's."""

from datetime import time

from models.timetable import Slot

NOTE = Slot("note", "tiny_note", "tests.support.tiny_flows:note", time(4, 5), time(5, 0))
HANG = Slot("hang", "tiny_hang", "tests.support.tiny_flows:hang", time(4, 10), time(5, 0))
# What catches up is the slot of this stage.
WATCHDOG = Slot("watchdog", "tiny_note", "tests.support.tiny_flows:note", time(4, 45), time(5, 0))
SLOTS = (NOTE, HANG, WATCHDOG)
