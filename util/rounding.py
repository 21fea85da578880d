"""Comparisons that rounding does not decide."""

import math


def at_least(value: float, bound: float) -> bool:
    """
    Tell whether a value reaches a bound; one that misses it by rounding alone does.

    A mean of shares is seldom a float of its own: (0.85 + 0.95) / 2 is less than 0.9.

    :param value: computed
    :param bound: as somebody wrote it
    """
    return value >= bound or math.isclose(value, bound, rel_tol=1e-9, abs_tol=1e-12)
