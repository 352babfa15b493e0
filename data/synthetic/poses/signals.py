"""Smooth random signals at 50 Hz: band-limited noise, soft limits, cross-fades."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

FPS = 50.0
CUTOFF_HZ = 6.0  # joint angles of recorded motion have 0.1 % of their power above 5 Hz
ROLL_OFF = 1.7  # exponent of the power spectrum 1 / (1 + (f / f0)^2)^1.7


def noise(rng: np.random.Generator, spectra: Sequence[tuple[float, int]], num_frames: int) -> Signal:
    """Draws Gaussian noise [channels, n] of expected variance 1; spectra lists (corner f0 in Hz, number of
    channels)."""
    # Longer than asked for: the transform is periodic, and a clip's end must not know of its start.
    size = 1 << math.ceil(math.log2(1.15 * num_frames + 64))
    frequency = np.arange(int(CUTOFF_HZ * size / FPS) + 1) * (FPS / size)
    spectrum = rng.standard_normal((sum(count for _, count in spectra), len(frequency), 2))
    first = 0
    for corner_hz, count in spectra:
        power = (1 + (frequency / corner_hz) ** 2) ** -ROLL_OFF
        # Bins above 0 have a real and an imaginary part and stand for two frequencies; bin 0 has neither.
        amplitude = np.sqrt(power / (power[0] + 4 * power[1:].sum())) * size
        spectrum[first : first + count] *= amplitude[:, None]
        first += count
    return np.fft.irfft(spectrum.view(np.complex128)[..., 0], size)[:, :num_frames]


def cosine_sine(angles: Signal) -> Signal:
    """Returns cosine and sine [2, ...] of angles [...] in degrees, to a few 1e-16."""
    found = np.empty((2, *angles.shape))
    cosine, sine = found
    # From the tangent of half the angle: with AVX-512, numpy's tan takes 1.4 ns a number, its sin and cos 8 ns each.
    tangent = np.tan(np.multiply(angles, math.pi / 360, out=sine), out=sine)
    np.multiply(tangent, tangent, out=cosine)
    cosine += 1
    np.divide(2, cosine, out=cosine)
    sine *= cosine
    cosine -= 1
    return found


def soft_limit(values: Signal, low: Signal | float, high: Signal | float) -> Signal:
    """Bends values into (low, high) by a tanh; unchanged in the middle of the range."""
    half = (high - low) / 2
    centre = low + half
    return centre + half * np.tanh((values - centre) / half)


def crossfade(num_frames: int, centre: float, width: float) -> Signal:
    """Returns a raised cosine [n] from 0 to 1 around frame `centre`, `width` frames long."""
    ramp = np.clip((np.arange(num_frames) - centre) / width + 0.5, 0, 1)
    weight: Signal = 0.5 - 0.5 * np.cos(np.pi * ramp)
    return weight


def smoothed(values: Signal, frames: int) -> Signal:
    """Smooths values [n] with a Hann window of an odd number of frames; edge values repeat beyond the ends."""
    window = np.hanning(frames + 2)[1:-1]
    pad = frames // 2
    padded = np.concatenate((np.full(pad, values[0]), values, np.full(pad, values[-1])))
    return np.convolve(padded, window / window.sum(), "valid")


def integral(rate: Signal) -> Signal:
    """Integrates a rate per second over frames, along the last axis; the first frame is 0."""
    total = np.cumsum(rate, axis=-1) / FPS
    return total - total[..., :1]
