"""What scikit-learn, scipy and fairlearn say of the statistics that models are evaluated by.

    python evaluation_statistics.py CASES.json    answers the cases of a file, as JSON
    python evaluation_statistics.py --golden      writes seeded cases with their answers, as JSON: packages/numerics/src/evaluation-statistics.golden.json
"""

import json
import sys

import fairlearn
import numpy as np
import scipy
import sklearn
from fairlearn import metrics as fair
from scipy import optimize, stats
from scipy.stats._resampling import BootstrapResult
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    ndcg_score,
    r2_score,
    root_mean_squared_error,
)

seed = 20261127


def calibration(case):
    labels, scores, bins = np.array(case["labels"]), np.array(case["scores"]), case["bins"]
    shares, means = calibration_curve(labels, scores, n_bins=bins, strategy=case["binning"])
    levels = np.linspace(0, 1, bins + 1)
    edges = levels if case["binning"] == "uniform" else np.percentile(scores, levels * 100)
    counts = np.bincount(np.searchsorted(edges[1:-1], scores), minlength=bins)
    counts = counts[counts > 0]
    error = np.sum(counts * np.abs(shares - means)) / len(scores)
    return [*shares, *means, *counts, error]


def recalibration(case):
    labels, scores = np.array(case["labels"]), np.array(case["scores"])
    kept = np.clip(scores, 2**-52, 1 - 2**-52)
    odds = np.log(kept) - np.log1p(-kept)
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-13, max_iter=10_000).fit(odds[:, None], labels)
    intercept, slope = fitted.intercept_[0], fitted.coef_[0, 0]
    shares = 1 / (1 + np.exp(-(intercept + slope * odds)))
    design = np.stack([np.ones_like(odds), odds], axis=1)
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ (design * (shares * (1 - shares))[:, None]))))
    return [intercept, slope, *errors]


def wilson(case):
    interval = stats.binomtest(case["cases"], case["of"]).proportion_ci(0.95, method="wilson")
    return [interval.low, interval.high]


def bca(case):
    """Of a mean: the resamples are the case's own, so that the two have the same ones."""
    before = BootstrapResult(
        confidence_interval=None, bootstrap_distribution=np.array(case["replicates"]), standard_error=np.nan
    )
    found = stats.bootstrap(
        (np.array(case["data"]),), np.mean, n_resamples=0, bootstrap_result=before, method="BCa", vectorized=True
    ).confidence_interval
    return [found.low, found.high]


def mcnemar(case):
    gained, lost = case["gained"], case["lost"]
    if gained + lost == 0:
        return [1.0]
    if gained + lost < 25:
        return [stats.binomtest(gained, gained + lost, alternative="greater").pvalue]
    away = gained - lost
    return [stats.norm.sf(np.sign(away) * max(0, abs(away) - 1) / np.sqrt(gained + lost))]


def not_inferior(case):
    """Tango's test, its nuisance parameter found by search over the likelihood."""
    gained, lost, of, margin = case["gained"], case["lost"], case["of"], case["margin"]

    def slope(share):
        rest = of - gained - lost
        return gained / (share - margin) + lost / share - 2 * rest / (1 - 2 * share + margin)

    low, high = margin, (1 + margin) / 2
    if gained == 0 and lost == 0:
        share = margin
    elif gained == 0 and slope(low + 1e-15) <= 0:
        share = low
    elif gained + lost == of:
        # Every pair parts: the likelihood rises or falls up to the edge, unless it has its top inside.
        share = optimize.minimize_scalar(
            lambda q: -(gained * np.log(q - margin) + lost * np.log(q)), bounds=(low, high), method="bounded",
            options={"xatol": 1e-15},
        ).x if gained * lost == 0 else high
    else:
        share = optimize.brentq(slope, low + 1e-15, high - 1e-15, xtol=1e-16, rtol=1e-15, maxiter=1000)
    variance = of * (2 * share - margin - margin**2)
    return [stats.norm.sf((gained - lost + of * margin) / np.sqrt(variance))]


def fairness(case):
    labels, decisions = np.array(case["labels"]), np.array(case["decisions"])
    groups = np.array(case["groups"])
    named = {"sensitive_features": groups}
    return [
        fair.demographic_parity_difference(labels, decisions, **named),
        fair.demographic_parity_ratio(labels, decisions, **named),
        fair.equalized_odds_difference(labels, decisions, **named),
        fair.equalized_odds_ratio(labels, decisions, **named),
        fair.equal_opportunity_difference(labels, decisions, **named),
        fair.equal_opportunity_ratio(labels, decisions, **named),
    ]


def ridge(case):
    """Weights, then what one Newton step without each row moves them by: the inverse Hessian is numpy's."""
    rows, labels = np.array(case["rows"]), np.array(case["labels"])
    model = LogisticRegression(C=1 / case["ridge"], solver="newton-cholesky", tol=1e-13, max_iter=10_000)
    fitted = model.fit(rows, labels)
    weights = np.array([*fitted.coef_[0], fitted.intercept_[0]])
    design = np.column_stack([rows, np.ones(len(rows))])
    shares = 1 / (1 + np.exp(-(design @ weights)))
    penalty = np.diag([*np.full(rows.shape[1], case["ridge"]), 0])
    hessian = design.T @ (design * (shares * (1 - shares))[:, None]) + penalty
    spread = np.einsum("ij,jk,ik->i", design, np.linalg.inv(hessian), design)
    leverage = shares * (1 - shares) * spread
    distances = (labels - shares) ** 2 * spread / (1 - leverage) ** 2 / len(weights)
    return [*weights, *distances]


def errors_of(scores, labels, bins):
    shares, means = calibration_curve(labels, scores, n_bins=bins, strategy="uniform")
    counts = np.bincount(np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], scores), minlength=bins)
    return np.sum(counts[counts > 0] * np.abs(shares - means)) / len(scores)


def class_calibration(case):
    """Of what was said, of each class against the others and their mean; then the Brier score and the log loss."""
    labels, table, bins = np.array(case["labels"]), np.array(case["table"]), case["bins"]
    said = table.argmax(axis=1)
    top = errors_of(table.max(axis=1), (said == labels).astype(int), bins)
    classes = range(table.shape[1])
    errors = [errors_of(table[:, one], (labels == one).astype(int), bins) for one in classes]
    brier = brier_score_loss(labels, table, labels=list(classes), scale_by_half=False)
    return [top, *errors, np.mean(errors), brier, log_loss(labels, table, labels=list(classes))]


def class_fairness(case):
    """fairlearn's measures of each class against the others, by what was said."""
    return [
        value
        for one in range(case["classes"])
        for value in fairness(
            {
                "labels": [int(label == one) for label in case["labels"]],
                "decisions": [int(said == one) for said in case["said"]],
                "groups": case["groups"],
            }
        )
    ]


def regression(case):
    labels, scores = np.array(case["labels"]), np.array(case["scores"])
    return [
        root_mean_squared_error(labels, scores),
        mean_absolute_error(labels, scores),
        r2_score(labels, scores),
    ]


answers = {
    "calibration": calibration,
    "recalibration": recalibration,
    "wilson": wilson,
    "bca": bca,
    "mcnemar": mcnemar,
    "notInferior": not_inferior,
    "normalTail": lambda case: [stats.norm.sf(case["z"])],
    "fairness": fairness,
    "ridge": ridge,
    "averagePrecision": lambda case: [average_precision_score(case["labels"], case["scores"])],
    "regression": regression,
    "classCalibration": class_calibration,
    "classFairness": class_fairness,
    "ndcg": lambda case: [ndcg_score([case["labels"]], [case["scores"]], k=case["most"])],
}


def answer(case):
    return [float(value) for value in answers[case["kind"]](case)]


def rounded(values, digits=6):
    return [round(float(value), digits) for value in values]


def scored(random, size, shift, digits=6):
    labels = (random.uniform(size=size) < 0.4).astype(int)
    labels[:4] = [0, 1, 0, 1]
    odds = random.normal(size=size) + shift * (labels - 0.4)
    return {"labels": labels.tolist(), "scores": rounded(1 / (1 + np.exp(-odds)), digits)}


def calibration_cases(random):
    for size, digits in [(20, 6), (200, 1), (200, 6), (500, 2)]:
        for shift in [0.3, 2.0]:
            made = scored(random, size, shift, digits)
            for binning, bins in [("uniform", 10), ("uniform", 15), ("quantile", 10), ("quantile", 4)]:
                yield {"kind": "calibration", **made, "binning": binning, "bins": bins}
            yield {"kind": "recalibration", **made}
    certain = scored(random, 60, 1.0)
    certain["scores"][0], certain["scores"][1] = 1.0, 0.0
    yield {"kind": "recalibration", **certain}
    yield {"kind": "calibration", **certain, "binning": "uniform", "bins": 10}


def share_cases(random):
    for cases, of in [(0, 5), (5, 5), (1, 30), (81, 263), (15, 148), (999, 1000), (123_456, 1_000_000)]:
        yield {"kind": "wilson", "cases": cases, "of": of}
    for gained, lost in [(0, 0), (1, 0), (0, 3), (7, 2), (12, 12), (24, 0), (25, 0), (20, 5), (60, 31), (40, 41), (900, 700), (31, 60)]:
        yield {"kind": "mcnemar", "gained": gained, "lost": lost}
    for gained, lost, of in [(0, 0, 40), (3, 0, 40), (0, 3, 40), (5, 5, 40), (12, 20, 100), (44, 9, 1000), (300, 310, 20_000), (0, 40, 1000)]:
        for margin in [0.005, 0.02, 0.1]:
            yield {"kind": "notInferior", "gained": gained, "lost": lost, "of": of, "margin": margin}
    for z in [-9.0, -1.96, -0.3, 0.0, 0.3, 1.96, 5.0, 20.0, 37.0]:
        yield {"kind": "normalTail", "z": z}


def bca_cases(random):
    for size, replicates in [(5, 99), (12, 999), (40, 999)]:
        for skewed in [False, True]:
            data = random.exponential(size=size) if skewed else random.normal(size=size)
            data = np.array(rounded(data))
            drawn = data[random.integers(0, size, size=(replicates, size))].mean(axis=1)
            yield {"kind": "bca", "data": data.tolist(), "replicates": drawn.tolist()}


def fairness_cases(random):
    for size, groups in [(30, 2), (200, 2), (300, 5)]:
        for lean in [0.0, 0.3]:
            group = random.integers(0, groups, size=size)
            labels = (random.uniform(size=size) < 0.4).astype(int)
            decisions = (random.uniform(size=size) < 0.3 + 0.3 * labels + lean * (group == 0)).astype(int)
            # Of each group and class one row is selected: a ratio of zeros has no value in fairlearn.
            for one in range(groups):
                group[2 * one : 2 * one + 2], labels[2 * one : 2 * one + 2] = one, [0, 1]
                decisions[2 * one : 2 * one + 2] = 1
            yield {"kind": "fairness", "labels": labels.tolist(), "decisions": decisions.tolist(), "groups": group.tolist()}


def ridge_cases(random):
    for size, width in [(30, 1), (60, 3), (120, 6)]:
        for penalty in [0.01, 1.0, 20.0]:
            rows = random.normal(size=(size, width))
            labels = (rows[:, 0] + random.normal(size=size) > 0.3).astype(int)
            labels[:2] = [0, 1]
            yield {"kind": "ridge", "rows": [rounded(row) for row in rows], "labels": labels.tolist(), "ridge": penalty}


def metric_cases(random):
    for size, digits in [(8, 1), (60, 1), (60, 6), (400, 2), (400, 6)]:
        for shift in [0.0, 2.0]:
            yield {"kind": "averagePrecision", **scored(random, size, shift, digits)}
    for size, level, spread in [(2, 0, 1), (15, 0, 1), (200, 0, 3), (200, 1_000_000, 1), (500, -40, 0.01)]:
        for noise in [0.1, 2.0]:
            labels = level + spread * random.normal(size=size)
            scores = labels + noise * spread * random.normal(size=size)
            yield {"kind": "regression", "labels": rounded(labels), "scores": rounded(scores)}
    yield {"kind": "regression", "labels": [3.0, 3.0, 3.0], "scores": [3.0, 3.5, 2.0]}
    yield {"kind": "regression", "labels": [3.0, 3.0, 3.0], "scores": [3.0, 3.0, 3.0]}
    for size, digits in [(2, 6), (9, 6), (10, 1), (40, 1), (40, 6), (300, 2)]:
        for grades in [2, 5]:
            labels = random.integers(0, grades, size=size).tolist()
            yield {"kind": "ndcg", "labels": labels, "scores": rounded(random.normal(size=size), digits), "most": 10}
    yield {"kind": "ndcg", "labels": [0, 0, 0], "scores": [0.1, 0.2, 0.3], "most": 10}


def class_cases(random):
    for size, classes in [(60, 3), (120, 4), (200, 5)]:
        for sharpness in [0.5, 3.0]:
            # Of 1,024ths: their sum is one to the last bit, and edges of bins are hit.
            odds = sharpness * random.normal(size=(size, classes))
            table = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
            table = np.floor(table * 2**10) / 2**10
            table[:, 0] += 1 - table.sum(axis=1)
            labels = np.array([random.choice(classes, p=row) for row in table])
            labels[:classes] = np.arange(classes)
            yield {"kind": "classCalibration", "labels": labels.tolist(), "table": table.tolist(), "bins": 10 + classes}
    for size, classes, groups in [(200, 3, 2), (600, 4, 3), (900, 3, 5)]:
        for lean in [0.0, 0.3]:
            group = random.integers(0, groups, size=size)
            labels = random.integers(0, classes, size=size)
            said = np.where(random.uniform(size=size) < 0.6 - lean * (group == 0), labels, random.integers(0, classes, size=size))
            # Of each group and class one row is said rightly and one wrongly: a ratio of zeros has no value in fairlearn.
            at = 0
            for one in range(groups):
                for label in range(classes):
                    group[at : at + 2], labels[at : at + 2] = one, label
                    said[at : at + 2] = [label, (label + 1) % classes]
                    at += 2
            yield {
                "kind": "classFairness",
                "classes": classes,
                "labels": labels.tolist(),
                "said": said.tolist(),
                "groups": group.tolist(),
            }


def golden():
    random = np.random.default_rng(seed)
    made = [*calibration_cases(random), *share_cases(random), *bca_cases(random), *fairness_cases(random)]
    made += ridge_cases(random)
    made += metric_cases(random)
    made += class_cases(random)
    return {
        "source": f"scikit-learn {sklearn.__version__}, scipy {scipy.__version__}, fairlearn {fairlearn.__version__}, "
        f"numpy {np.__version__}, seed {seed}: test/clients/oracles/evaluation_statistics.py --golden",
        "cases": [{**case, "answer": answer(case)} for case in made],
    }


if sys.argv[1] == "--golden":
    print(json.dumps(golden(), allow_nan=False))
else:
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    print(json.dumps([answer(case) for case in cases], allow_nan=False))
