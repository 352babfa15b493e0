"""Sampler, scheduler and time budget of a sweep: which trial runs next, and which one stops. Imports no Ray."""
