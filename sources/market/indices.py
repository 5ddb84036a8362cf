"""Codes of the indices behind the universes, as index publishers write them. There is none for all funds together."""

from countersign.models.enums import Universe

INDEX_CODES = {
    Universe.HS300: ("000300", "SH"),
    Universe.CSI500: ("000905", "SH"),
    Universe.CSI1000: ("000852", "SH"),
    Universe.CSI2000: ("932000", "CSI"),
}
