# SPDX-License-Identifier: GPL-2.0-only
"""What the reports need of statistics. None stands for: there is no such value."""

import itertools
import math
import random

# Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom.
T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
T95_MANY = 1.960
# All permutations are tried up to so many, beyond that so many random ones.
PERMUTATIONS = 20000


def mean(values):
    return sum(values) / len(values) if values else None


def percentile(values, percent):
    """Nearest rank: always a value that was measured."""
    if not values:
        return None
    rank = math.ceil(percent / 100 * len(values))
    return sorted(values)[max(rank, 1) - 1]


def deviation(values):
    """Of the sample; None below two values."""
    if len(values) < 2:
        return None
    centre = mean(values)
    return math.sqrt(sum((v - centre) ** 2 for v in values) / (len(values) - 1))


def half_interval(values):
    """Half the width of the mean's 95 % confidence interval, for independent
    values; None below two."""
    spread = deviation(values)
    if spread is None:
        return None
    degrees = len(values) - 1
    t = T95[degrees - 1] if degrees <= len(T95) else T95_MANY
    return t * spread / math.sqrt(len(values))


def permutation_p(old, new):
    """Two-sided p of the difference of the means, if who is old and who is new is
    arbitrary. None if even the clearest difference could not be significant."""
    total, size = len(old) + len(new), len(new)
    if not old or not new or 2 / math.comb(total, size) > 0.05:
        return None
    values = list(old) + list(new)
    observed = abs(mean(new) - mean(old))
    # A difference within rounding is the same difference.
    least = observed * (1 - 1e-9)
    as_large = [
        abs_difference(values, chosen, size) >= least
        for chosen in choices(total, size)
    ]
    if len(as_large) < math.comb(total, size):
        return (sum(as_large) + 1) / (len(as_large) + 1)
    return sum(as_large) / len(as_large)


def choices(total, size):
    """Which of @total values are new: every choice, or many with a fixed seed."""
    if math.comb(total, size) <= PERMUTATIONS:
        return itertools.combinations(range(total), size)
    generator = random.Random(2017)
    return (generator.sample(range(total), size) for _ in range(PERMUTATIONS))


def abs_difference(values, chosen, size):
    new = sum(values[i] for i in chosen)
    return abs(new / size - (sum(values) - new) / (len(values) - size))


def holm(ps):
    """p-values corrected for their number, by Holm; None stays None."""
    known = sorted((p, i) for i, p in enumerate(ps) if p is not None)
    corrected, least = list(ps), 0.0
    for rank, (p, i) in enumerate(known):
        least = max(least, min(1.0, p * (len(known) - rank)))
        corrected[i] = least
    return corrected
