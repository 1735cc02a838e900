"""What scipy says of the beta distribution: packages/numerics/src/beta.golden.json.

    python beta.py    writes cases with their answers, as JSON

Tails that no double holds are left out: scipy's logarithm of them is minus infinity.
"""

import json
from math import fsum

import numpy as np
import scipy
from scipy import special, stats

shapes = [0.05, 0.5, 1, 1.0001, 2.5, 19, 20.05, 137, 1000.5, 25_000, 1_000_003]
points = [0.0001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.999]


def log_beta(a, b):
    """By the recurrence from shapes of at most 2, summed exactly: scipy's betaln is off by 7e-10 at (2.5, 1,000,003)."""
    if a > b:
        a, b = b, a
    if b <= 2:
        return float(special.betaln(a, b))
    steps = int(np.ceil(b)) - 2
    lower = b - steps
    return fsum([log_beta(a, lower), *(-np.log1p(a / (lower + np.arange(steps))))])


def cases():
    for a in shapes:
        for b in shapes:
            yield {"kind": "logBeta", "a": a, "b": b, "answer": log_beta(a, b)}
            for x in points:
                tail = float(stats.beta.sf(x, a, b))
                if 1e-290 < tail <= 1:
                    yield {"kind": "tail", "x": x, "a": a, "b": b, "answer": tail}


print(json.dumps({"source": f"scipy {scipy.__version__}: test/clients/oracles/beta.py", "cases": list(cases())}))
