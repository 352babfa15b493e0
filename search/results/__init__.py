"""What a sweep has found: tables, exports, confirmation, pictures."""
