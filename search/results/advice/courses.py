"""Findings about how the trials trained: stopping against final ranks, winners by luck, a budget spent in vain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from ...record.options.choices import SCHEDULED, rungs
from .finding import BUDGET, LUCK, STOPPING, Finding, Lines
from .fit import Fit
from .survey import LEAST_CURVE, Survey

DOUBT = 0.03  # level of the test on a rung, of which a sweep has two or three
LEAST_PAIRS = 6  # of ranks; the correlation of fewer says nothing at the levels in use
# Rank correlation of a rung and the end, over all trials, on which successive halving may rely: it then explains more
# than half of the final ranks.
TRUSTED = 0.75
MATERIAL = 4  # times the noise of curves by which ends must vary, so that a wrong order of them matters
INFORMED = ("tpe", "gp", "cmaes", "nsga2")
LEAST_ENDED = 40  # trials, of which a tenth are few
LEAST_TIES = 2  # one near the winner in score, and elsewhere in the space, there is by chance in many good sweeps


def over_pruned(survey: Survey, lines: Lines) -> Iterator[Finding]:
    """Finds a rung whose ranks say little about the end: among the trials that went on, the rank correlation is
    significantly below TRUSTED, and their final scores differ by more than the noise of their curves."""
    sweep = survey.plan.sweep
    if sweep.scheduler not in SCHEDULED["grace"] or sweep.grace is None or sweep.max_epochs is None:
        return
    factor = sweep.reduction or 3
    pruned = [trial for trial in survey.trials if trial.state == "pruned"]
    for rung in rungs(sweep.grace, factor, sweep.max_epochs):
        stopped = [trial for trial in pruned if trial.last_epoch <= rung]
        ons = [
            one
            for one, is_out in zip(survey.running_bests, survey.has_diverged, strict=True)
            if len(one) > rung and not is_out
        ]
        lengths = sorted((len(one) for one in ons), reverse=True)
        if len(stopped) < 3 or len(lengths) < LEAST_PAIRS:
            continue
        # The latest epoch that enough of them reached: the end, if those are many.
        end = lengths[max(LEAST_PAIRS, len(lengths) // 3) - 1]
        pairs = np.array([(one[rung - 1], one[end - 1]) for one in ons if len(one) >= end])
        if end < 2 * rung:
            continue
        early, late = _ranks(pairs[:, 0]), _ranks(pairs[:, 1])
        if early.std() == 0 or late.std() == 0:
            continue
        agreement = float(np.corrcoef(early, late)[0, 1])
        # Those that went on are alike at the rung, which lowers their correlation (Thorndike's second case).
        everyone = [
            one[rung - 1]
            for one, is_out in zip(survey.running_bests, survey.has_diverged, strict=True)
            if len(one) >= rung and not is_out
        ]
        wider = max(1.0, float(np.std(everyone) / pairs[:, 0].std()))
        expected = TRUSTED / math.sqrt(TRUSTED**2 + wider**2 * (1 - TRUSTED**2))
        # Fisher's z; its variance for ranks is 1.06 / (n - 3).
        z = (math.atanh(max(-0.999, min(0.999, agreement))) - math.atanh(expected)) * math.sqrt((len(pairs) - 3) / 1.06)
        spread = float(pairs[:, 1].std(ddof=1))
        if z > NormalDist().inv_cdf(DOUBT) or (survey.noise > 0 and spread < MATERIAL * survey.noise):
            continue
        grace = min(rung * factor, max(rung + 1, sweep.max_epochs // 2))
        yield Finding(
            kind=STOPPING,
            trials=tuple(trial.number for trial in stopped),
            found=f"ranks at epoch {rung} say little about the end: rank correlation {agreement:.2f} with epoch {end} "
            f"among the {len(pairs)} trials that went on that far, and {len(stopped)} trials were pruned by then",
            do=f"compare later, --grace {grace}, or let more go on with a smaller --reduction",
            line=lines.relaunch(grace=grace),
        )
        return


def luck(survey: Survey, lines: Lines, fit: Fit | None) -> Iterator[Finding]:
    """Finds a winner whose lead is that of a single epoch, or within the noise of curves that do not agree on a place
    in the space, or of which no knob explains anything."""
    best, noise = survey.best, survey.noise
    if best is None or not math.isfinite(noise) or noise <= 0:
        return
    at, epoch = survey.at(best), best.best_epoch(survey.objective)
    curve = survey.curves[at]
    if epoch is None or len(curve) < LEAST_CURVE or epoch > len(curve):
        return
    around = [index for index in (epoch - 3, epoch - 2, epoch, epoch + 1) if 0 <= index < len(curve)]
    # A curve that still falls is lower at its end by its slope, which is no spike.
    slope = min(0.0, float(np.median(np.diff(curve[max(0, epoch - 6) : epoch + 2]))))
    usual = float(np.median([curve[index] + slope * (epoch - 1 - index) for index in around]))
    others = [
        trial for trial in survey.trials if trial is not best and trial.own_score is not None and not trial.broken
    ]
    if not others:
        return
    second = min(others, key=lambda trial: (trial.own_score, trial.number))
    score, next_score = float(curve[epoch - 1]), float(second.own_score or 0)
    # The lowest of the draws of the noise in all whole curves lies this far below its mean in one of 100 cases.
    draws = len(curve) * max(1, int(survey.is_whole.sum()))
    depth = -NormalDist().inv_cdf(0.01 / draws) * noise * math.sqrt(1 + 1.57 / len(around))
    if usual - score > depth and usual > next_score:
        yield Finding(
            kind=LUCK,
            trials=(best.number, second.number),
            found=f"the best score, {score:.2f} of trial {best.number}, is a lone epoch: those around {epoch} have "
            f"{usual:.2f}, and curves vary by {noise:.2g} from epoch to epoch; without it trial {second.number} would "
            f"win with {next_score:.2f}",
            do="confirm the best trials with several seeds before you believe it",
            line=lines.confirm(),
        )
        return
    # Two values of equal curves differ by less than that in 95 of 100 cases.
    near = NormalDist().inv_cdf(0.95) * math.sqrt(2) * noise
    ties = [trial for trial in others if trial.state == "finished" and (trial.own_score or 0) - score < near]
    if len(ties) < LEAST_TIES:
        return
    apart = [float(np.sqrt(((survey.units[survey.at(trial)] - survey.units[at]) ** 2).mean())) for trial in ties]
    # Two blind draws are 0.41 apart, the root of 1/6; trials around one optimum are half as far or less.
    if float(np.median(apart)) >= 0.25:
        why = f"with knobs {np.median(apart):.0%} of the ranges away"
    elif fit is not None and not fit.chosen:
        why = "and no knob explains the scores"
    else:
        return
    yield Finding(
        kind=LUCK,
        trials=(best.number, *(trial.number for trial in ties)),
        found=f"{len(ties)} finished trials are within the noise of the curves, {noise:.2g} from epoch to epoch, "
        f"of the best score, {score:.2f} of trial {best.number}, {why}: which of them wins is chance",
        do="confirm the best trials with several seeds",
        line=lines.confirm(),
    )


def budget(survey: Survey, lines: Lines) -> Iterator[Finding]:
    """Finds trials that still improved at their end, a best that was found early, and failed or lost work."""
    yield from _unfinished(survey, lines)
    yield from _early(survey)
    yield from wasted(survey, lines)


def _unfinished(survey: Survey, lines: Lines) -> Iterator[Finding]:
    """Finds that most whole trials still improved: the last fifth of their epochs brought a twentieth of all that they
    gained or more, and more than noise. A curve that falls exponentially is then a fifteenth above its end or more."""
    still = whole = 0
    for curve, is_whole in zip(survey.curves, survey.is_whole, strict=True):
        if not is_whole or len(curve) < LEAST_CURVE:
            continue
        whole += 1
        part = max(1, len(curve) // 5)
        now, before = float(curve[-part:].mean()), float(curve[-2 * part : -part].mean())
        error = 0.0 if math.isnan(survey.noise) else survey.noise * math.sqrt(2 / part)
        still += before - now > max(0.05 * (float(curve[0]) - now), NormalDist().inv_cdf(0.95) * error)
    if whole < 3 or still <= whole / 2:
        return
    epochs = max(len(curve) for curve in survey.curves)
    yield Finding(
        kind=BUDGET,
        trials=tuple(trial.number for trial, is_whole in zip(survey.trials, survey.is_whole, strict=True) if is_whole),
        found=f"{still} of {whole} trials that trained to their end still improved in the last fifth of "
        f"their {epochs} epochs",
        do="give them more epochs",
        line=lines.extend(epochs=2 * epochs),
    )


def _early(survey: Survey) -> Iterator[Finding]:
    """Finds a best trial with which most of the sweep had nothing to do: it came among the first tenth of the trials of
    a sampler that learns, which draws those at random, or so early that a blind sampler has it there in one of twenty
    sweeps."""
    best = survey.best
    ended = [trial for trial in survey.trials if trial.has_ended]
    is_informed = survey.plan.sweep.sampler in INFORMED
    if best is None or len(ended) < LEAST_ENDED or best.number >= len(ended) // (10 if is_informed else 20):
        return
    # A recipe is not drawn blindly, and a good one is no fault unless all others stay behind it by more than noise, and
    # much of what lies between them.
    others = sorted(trial.own_score for trial in ended if trial is not best and trial.own_score is not None)
    if best.number == 0 and others:
        margin, spread = others[0] - (best.own_score or 0), others[len(others) // 2] - others[0]
        if not (is_informed and margin > max(3 * survey.noise, spread / 2)):
            return
    since = sum(trial.number > best.number for trial in ended)
    yield Finding(
        kind=BUDGET,
        trials=(best.number,),
        found=f"the best trial, {best.number}, came early: none of the {since} trials after it was better",
        do="more trials of this space will hardly help; change the ranges, or train longer and confirm it",
    )


def wasted(survey: Survey, lines: Lines) -> Iterator[Finding]:
    """Finds that a fifth of the trials failed, or of the device time was lost, or more."""
    trials = survey.journal.trials.values()
    failed = [trial.number for trial in trials if trial.state == "failed"]
    if len(failed) >= 3 and len(failed) >= 0.2 * len(trials):
        first = survey.journal.trials[failed[0]].reason.strip().splitlines()
        yield Finding(
            kind=BUDGET,
            trials=tuple(failed),
            found=f"{len(failed)} of {len(trials)} trials failed, the first with: {first[-1] if first else 'nothing'}",
            do="see why before you go on",
            line=lines.show(failed[0]),
        )
        return
    split = survey.journal.state.spend.split()
    if split.used > 0 and split.lost >= 0.2 * split.used:
        yield Finding(
            kind=BUDGET,
            found=f"{split.lost / split.used:.0%} of the device time was lost to attempts that were cut short and "
            f"to failed trials",
            do="look for the cause in the trials that are marked lost; checkpoints after every epoch lose least",
        )


def _ranks(values: np.ndarray) -> np.ndarray:
    """Returns ranks, equal values with their mean."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[places])
