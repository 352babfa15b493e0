"""Converters of published motion capture: file formats, joints and units to clips of our layouts."""
