"""What the templates of public tables should come to, by scikit-learn and NumPy alone: nothing of the product takes part.

Reads the three CSV files of the folder in its argument as they are published, splits them at the places that the page states, trains
the same trees, and prints counts, areas under the ROC curve with DeLong's interval, and differences between groups, as JSON.
"""
import csv
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

FOLDER = Path(sys.argv[1])


def read(name):
    with open(FOLDER / name, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def interval(y, scores):
    """DeLong's, from the placements of each class among the other."""
    positive, negative = scores[y == 1], scores[y == 0]

    def placements(of, among):
        ordered = np.sort(among)
        return (np.searchsorted(ordered, of, "left") + np.searchsorted(ordered, of, "right")) / 2 / len(among)

    first, second = placements(positive, negative), 1 - placements(negative, positive)
    half = 1.959964 * np.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second))
    return [float(first.mean() - half), float(first.mean() + half)]


def rate(decided, of):
    return float(decided[of].mean())


def measure(columns, y, place, cut, rounds=60, learning_rate=0.1, weight=1):
    """Trains on the rows that stood before `cut` in the file and measures on the rest."""
    x = np.column_stack(columns).astype(np.float32)
    seen = place < cut
    model = HistGradientBoostingClassifier(
        max_iter=rounds, learning_rate=learning_rate, early_stopping=False, random_state=7
    )
    model.fit(x[seen], y[seen], sample_weight=np.where(y[seen] == 1, weight, 1))
    scores = model.predict_proba(x[~seen])[:, 1]
    held = y[~seen]
    found = {
        "rows": len(held),
        "positives": int(held.sum()),
        "auc": float(roc_auc_score(held, scores)),
        "interval": interval(held, scores),
        "request": x[~seen][0].tolist(),
        "score": float(scores[0]),
    }
    return found, held, scores >= 0.5, ~seen


def difference(held, decided, groups, of=None):
    """Largest less smallest rate of yes over the groups; of one class where `of` says so."""
    kept = np.ones(len(held), bool) if of is None else held == of
    rates = [rate(decided, (groups == one) & kept) for one in sorted(set(groups))]
    return max(rates) - min(rates)


def readmission():
    rows = read("hospital_readmissions.csv")
    text = lambda name: np.array([row[name] for row in rows])
    number = lambda name: text(name).astype(float)
    level = lambda name: 2.0 * (text(name) == "high") + (text(name) == "normal")
    counts = "time_in_hospital n_lab_procedures n_procedures n_medications n_outpatient n_inpatient n_emergency"
    columns = [number(name) for name in counts.split()]
    columns += [level("A1Ctest"), level("glucose_test"), text("change") == "yes", text("diabetes_med") == "yes"]
    columns += [text("diag_1") == name for name in ("Circulatory", "Diabetes", "Respiratory")]
    columns += [text("diag_2") == "Diabetes"]
    y, place = (text("readmitted") == "yes").astype(int), np.arange(len(rows))
    age = np.array([int(one[1:3]) for one in text("age")])
    said = {}
    for name, taken in (("without_age", columns), ("with_age", [*columns, age])):
        found, held, decided, later = measure(taken, y, place, 15_000, learning_rate=0.08)
        said[name] = {**found, "equal_opportunity": difference(held, decided, age[later], of=1)}
    return {"accepted": len(rows), "kept_out": 0, **said["without_age"], "with_age": said["with_age"]}


def ai4i():
    rows = read("ai4i2020.csv")
    number = lambda name: np.array([float(row[name]) for row in rows])
    air, process = number("airTemp"), number("Process temperature [K]")
    rpm, torque, wear = number("Rotational speed [rpm]"), number("Torque [Nm]"), number("toolWear")
    quality = np.array(["LMH".index(row["Type"]) for row in rows])
    power = torque * rpm * (2 * np.pi / 60)
    columns = [air, process, rpm, torque, wear, process - air, power, wear * torque, quality]
    y = number("failure").astype(int)
    found, held, decided, _ = measure(columns, y, np.arange(len(rows)), 6_000, weight=15)
    true, false = int((decided & (held == 1)).sum()), int((decided & (held == 0)).sum())
    return {"accepted": len(rows), "kept_out": 0, **found, "saved": (120 * true - 15 * false) / len(held)}


def credit_default():
    every = read("uci_credit_card.csv")
    known = lambda row: row["EDUCATION"] in "1234" and row["MARRIAGE"] in "123"
    place = np.array([at for at, row in enumerate(every) if known(row)])
    rows = [row for row in every if known(row)]
    number = lambda name: np.array([float(row[name]) for row in rows])
    names = ["LIMIT_BAL", "PAY_0", *[f"PAY_{n}" for n in range(2, 7)]]
    names += [f"{kind}{n}" for kind in ("BILL_AMT", "PAY_AMT") for n in range(1, 7)]
    y = number("default.payment.next.month").astype(int)
    found, held, decided, later = measure([number(name) for name in names], y, place, 18_000)
    sex = number("GENDER")[later]
    return {
        "accepted": len(rows),
        "kept_out": len(every) - len(rows),
        **found,
        "demographic_parity": difference(held, decided, sex),
    }


print(json.dumps({"readmission": readmission(), "ai4i": ai4i(), "credit-default": credit_default()}))
