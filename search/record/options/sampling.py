"""Samplers of a sweep by name, and what each of them can work on. Imports no Optuna, so that a combination that cannot
work is refused at once."""

from __future__ import annotations

from collections.abc import Iterable

from spaces.domains import Choice, Domain

UNTAUGHT = "none"  # of population-based training
LEARNING = ("tpe", "gp", "cmaes", "nsga2")  # from the trials so far
SAMPLERS = (*LEARNING, "qmc", "random", "grid", UNTAUGHT)


def sampler_refusal(sampler: str, objectives: int, domains: Iterable[Domain], limits: int = 0) -> str:
    """Says why a sampler cannot work, and which is the nearest that can; '' if it can. `objectives`: number of metrics
    to minimise; `domains`: those of the searched knobs; `limits`: number of limits that a trial must keep."""
    if sampler != "cmaes":
        return ""
    if objectives > 1:
        return f"--sampler cmaes takes one objective, not {objectives}; nsga2 takes several"
    if limits:
        return "--sampler cmaes knows no limits, and would draw where they are broken as elsewhere; tpe knows them"
    searched = list(domains)
    numbers = sum(not isinstance(domain, Choice) for domain in searched)
    if numbers < 2:
        found = f"of {len(searched)} searched here {numbers} {'is one' if numbers == 1 else 'are'}"
        return f"--sampler cmaes needs at least two knobs with a range of numbers, and {found}; tpe takes choices too"
    return ""
