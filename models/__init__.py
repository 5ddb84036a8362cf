"""The nouns: ledger rows, wire shapes, enums, dataset schemas, the error tree and the timetable. No behaviour."""
