"""What scikit-learn, scipy and numpy say of the sets in a JSON file. The DeLong variance is by its definition,
over all pairs, so that it shares nothing with the rank formula that it is compared with."""

import json
import sys

import numpy as np
from scipy.stats import norm, rankdata
from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix, log_loss, roc_auc_score


def components(labels, scores):
    pos, neg = scores[labels == 1], scores[labels == 0]
    wins = (pos[:, None] > neg[None, :]) + 0.5 * (pos[:, None] == neg[None, :])
    return wins.mean(axis=1), wins.mean(axis=0)


def delong(labels, scores):
    by_positive, by_negative = components(labels, scores)
    return np.var(by_positive, ddof=1) / len(by_positive) + np.var(by_negative, ddof=1) / len(by_negative)


def delong_difference(labels, first, second):
    (pos1, neg1), (pos2, neg2) = components(labels, first), components(labels, second)
    pos, neg = pos1 - pos2, neg1 - neg2
    return np.sqrt(np.var(pos, ddof=1) / len(pos) + np.var(neg, ddof=1) / len(neg))


def answer(case):
    labels = np.array(case["labels"])
    scores, other = np.array(case["scores"]), np.array(case["other"])
    tn, fp, fn, tp = confusion_matrix(labels, scores >= case["threshold"], labels=[0, 1]).ravel()
    return {
        "auc": roc_auc_score(labels, scores),
        "variance": delong(labels, scores),
        "difference": roc_auc_score(labels, scores) - roc_auc_score(labels, other),
        "differenceError": delong_difference(labels, scores, other),
        "brier": brier_score_loss(labels, scores),
        "logLoss": log_loss(labels, scores),
        "accuracy": accuracy_score(labels, scores >= case["threshold"]),
        "counts": [int(tp), int(fp), int(tn), int(fn)],
        "quantiles": [float(np.quantile(scores, p)) for p in case["levels"]],
        "midranks": rankdata(scores).tolist(),
        "normalQuantiles": [float(norm.ppf(p)) for p in case["levels"] if 0 < p < 1],
    }


with open(sys.argv[1], encoding="utf-8") as file:
    cases = json.load(file)
print(json.dumps([answer(case) for case in cases], default=float))
