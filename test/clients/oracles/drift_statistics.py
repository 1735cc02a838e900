"""What scipy and numpy say of the statistics that drift is judged by.

    python drift_statistics.py CASES.json    answers the cases of a file, as JSON
    python drift_statistics.py --golden      writes seeded cases with their answers, as JSON: packages/numerics/src/drift-statistics.golden.json

scipy has no population stability index: it is written out here by its definition.
"""

import json
import sys
import warnings
from fractions import Fraction
from math import comb

import numpy as np
import scipy
from scipy import special, stats
from scipy.spatial.distance import jensenshannon

seed = 20261127


def ks(case):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = stats.ks_2samp(case["a"], case["b"], method=case["method"])
    # Where rounding lifts an exact p above 1, scipy takes the asymptotic one instead, and warns: it is 1.
    return [found.statistic, 1.0 if said else found.pvalue]


def ks_counts(case):
    a, b = (np.repeat(np.arange(len(case[name])), case[name]) for name in ("a", "b"))
    found = stats.ks_2samp(a, b)
    return [found.statistic, found.pvalue]


def contingency(case):
    found = stats.chi2_contingency(np.array(case["rows"]))
    return [found.statistic, found.dof, found.pvalue]


def stability(case):
    a, b = np.array(case["a"], float), np.array(case["b"], float)
    n, m = a.sum(), b.sum()
    used = (a + b) > 0
    a, b = a[used], b[used]
    p, q = (a + 0.5) / (n + len(a) / 2), (b + 0.5) / (m + len(b) / 2)
    psi = float(np.sum((p - q) * np.log(p / q)))
    scale = 1 / n + 1 / m
    return [psi, psi - (len(a) - 1) * scale, stats.chi2.sf(psi / scale, len(a) - 1)]


def fisher(case):
    """Of whole numbers: scipy's own fisher_exact, by logarithms of the gamma function, agrees to 1e-10 only where p is tiny."""
    (x, n), (y, m) = case["now"], case["before"]
    cases = x + y
    ways = sum(comb(cases, k) * comb(n + m - cases, n - k) for k in range(x, min(cases, n) + 1))
    p = float(Fraction(ways, comb(n + m, n)))
    assert np.isclose(p, stats.fisher_exact([[x, n - x], [y, m - y]], alternative="greater").pvalue, rtol=1e-10, atol=0)
    return [p]


answers = {
    "ks": ks,
    "ksCounts": ks_counts,
    "kolmogorov": lambda case: [stats.kstwo.sf(case["x"], case["n"])],
    "smirnov": lambda case: [special.smirnov(case["n"], case["x"])],
    "chiSquared": lambda case: [stats.chi2.sf(case["x"], case["dof"])],
    "contingency": contingency,
    "stability": stability,
    "jensenShannon": lambda case: [jensenshannon(case["a"], case["b"])],
    "wasserstein": lambda case: [
        stats.wasserstein_distance(case["a"], case["b"], case["aWeights"], case["bWeights"])
    ],
    "benjaminiHochberg": lambda case: list(stats.false_discovery_control(case["p"])),
    "fisher": fisher,
}


def answer(case):
    return [float(value) for value in answers[case["kind"]](case)]


def rounded(values):
    return [round(float(value), 6) for value in values]


def sample_cases(random):
    for n, m in [(1, 1), (1, 9), (3, 4), (7, 7), (20, 30), (50, 61), (120, 120), (90, 173)]:
        for shift, grid in [(0, None), (0.4, None), (0.3, 2), (2.5, None)]:
            a, b = random.normal(size=n), random.normal(shift, 1.1, size=m)
            if grid is not None:
                a, b = np.round(a * grid) / grid, np.round(b * grid) / grid
            # Of one value each scipy has no asymptotic p: it rounds the effective size to 0.
            for method in ["auto", "asymp"] if m > 1 else ["auto"]:
                yield {"kind": "ks", "a": rounded(a), "b": rounded(b), "method": method}


def tail_cases():
    for n in [1, 2, 3, 10, 39, 100, 140, 141, 200, 952, 3333, 99_999, 100_001, 400_000]:
        for z in [0.3, 0.45, 0.62, 0.8, 1.0, 1.3, 1.6, 1.99, 2.01, 2.6, 4.0, 7.0, 12.0]:
            x = round(z / np.sqrt(n), 9)
            yield {"kind": "kolmogorov", "n": n, "x": x}
            if n <= 100_001 and x < 1:
                yield {"kind": "smirnov", "n": n, "x": x}
    yield {"kind": "smirnov", "n": 2_000_000, "x": 0.002}
    for n, x in [(50, 0.015), (50, 0.0199), (50, 0.985), (50, 0.6), (2000, 0.0004), (2000, 0.7)]:
        yield {"kind": "kolmogorov", "n": n, "x": x}
    for dof in [1, 2, 3, 7, 19, 25, 50, 101, 500]:
        for x in [1e-9, 0.02, 0.7, 3.3, 12.0, 24.9, 60.0, 133.0, 400.0, 900.0, 1350.0]:
            yield {"kind": "chiSquared", "x": x, "dof": dof}


def histogram_cases(random):
    for bins, n, m, change in [(2, 40, 60, 0.2), (3, 200, 900, 0), (20, 1000, 20_000, 0), (20, 1000, 20_000, 0.6),
                               (26, 250, 5000, 0.3), (100, 30_000, 250_000, 0.02), (102, 1000, 1000, 0.1)]:
        for sparse in [False, True]:
            weights = random.dirichlet(np.ones(bins) * (0.2 if sparse else 3))
            moved = weights * np.exp(change * random.normal(size=bins))
            a, b = random.multinomial(n, moved / moved.sum()), random.multinomial(m, weights)
            pair = {"a": a.tolist(), "b": b.tolist()}
            yield {"kind": "stability", **pair}
            yield {"kind": "jensenShannon", **pair}
            yield {"kind": "ksCounts", **pair}
            used = (a + b) > 0
            yield {"kind": "contingency", "rows": [a[used].tolist(), b[used].tolist()]}
    yield {"kind": "contingency", "rows": [[3, 9, 4], [8, 2, 5], [12, 7, 1]]}
    yield {"kind": "contingency", "rows": [[5, 5], [5, 5]]}


def other_cases(random):
    for n, m in [(1, 1), (2, 5), (40, 23), (200, 300)]:
        yield {
            "kind": "wasserstein",
            "a": rounded(random.normal(size=n)),
            "b": rounded(random.normal(0.3, 2, size=m)),
            "aWeights": rounded(random.exponential(size=n) + 0.01),
            "bWeights": random.integers(0, 5, size=m).tolist() if m > 5 else [1] * m,
        }
    for size in [1, 2, 7, 60]:
        yield {"kind": "benjaminiHochberg", "p": [float(p) for p in random.uniform(size=size) ** 3]}
    yield {"kind": "benjaminiHochberg", "p": [0.01, 0.01, 0.5, 1.0, 0.0, 0.01]}
    for now, before in [((0, 5), (3, 9)), ((3, 5), (0, 9)), ((30, 1000), (0, 20_000)), ((12, 1000), (180, 20_000)),
                        ((5, 1000), (180, 20_000)), ((700, 1000), (9000, 20_000)), ((1000, 1000), (19_000, 20_000)),
                        ((2, 2), (2, 2)), ((40, 300), (2, 250_000))]:
        yield {"kind": "fisher", "now": list(now), "before": list(before)}


def golden():
    random = np.random.default_rng(seed)
    made = [*sample_cases(random), *tail_cases(), *histogram_cases(random), *other_cases(random)]
    return {
        "source": f"scipy {scipy.__version__}, numpy {np.__version__}, seed {seed}: "
        "test/clients/oracles/drift_statistics.py --golden",
        "cases": [{**case, "answer": answer(case)} for case in made],
    }


if sys.argv[1] == "--golden":
    print(json.dumps(golden(), allow_nan=False))
else:
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    print(json.dumps([answer(case) for case in cases], allow_nan=False))
