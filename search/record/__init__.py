"""Persistent record of a sweep: its append-only journal, its plan and its provenance."""
