"""A timetable of tiny flows; their hour is far from any test's."""

from datetime import time

from countersign.models.timetable import Slot

NOTE = Slot("note", "tiny_note", "tests.support.tiny_flows:note", time(4, 5), time(5, 0))
HANG = Slot("hang", "tiny_hang", "tests.support.tiny_flows:hang", time(4, 10), time(5, 0))
# The slot of this stage catches up.
WATCHDOG = Slot("watchdog", "tiny_note", "tests.support.tiny_flows:note", time(4, 45), time(5, 0))
SLOTS = (NOTE, HANG, WATCHDOG)

# Turns: a run that begins first, one that is skipped, and one that finds a place. Any moment is before the deadline.
URGENT = Slot(
    "turn-urgent", "tiny_note", "tests.support.tiny_flows:note", time(4, 5), time(5, 0), deadline=time(23, 59, 59)
)
EVENING = Slot("turn-evening", "tiny_note", "tests.support.tiny_flows:note", time(4, 15), time(5, 0))
HOURLY = Slot("turn-hourly", "tiny_note", "tests.support.tiny_flows:note", time(0, 15), time(0, 30), hourly=True)
LONG = Slot("turn-long", "tiny_hang", "tests.support.tiny_flows:hang", time(4, 20), time(5, 0))
START = Slot("turn-start", "tiny_start", "tests.support.tiny_flows:start", time(4, 25), time(5, 0))
TURNS = (URGENT, EVENING, HOURLY, LONG, START, WATCHDOG)
