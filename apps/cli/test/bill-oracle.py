"""Writes a bill of FOCUS 1.2 with quotes, commas and line breaks in its cells, and what it comes to, reckoned with decimals."""

import csv
import json
import random
import sys
from decimal import Decimal, getcontext
from pathlib import Path

getcontext().prec = 60
folder = Path(sys.argv[1])
draw = random.Random(20261128)
services = ['Compute "large", EU', "Storage\nof objects", "Egress"]
columns = [
    "BilledCost", "EffectiveCost", "ListCost", "BillingCurrency", "ChargeCategory", "ChargeClass", "ChargeDescription",
    "ChargePeriodStart", "ChargePeriodEnd", "ConsumedQuantity", "ConsumedUnit", "ServiceName", "SkuId", "InvoiceId",
]
sums: dict[str, Decimal] = {}
lines: dict[str, Decimal] = {}
with (folder / "focus.csv").open("w", newline="", encoding="utf-8") as out:
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in range(2000):
        category = draw.choices(["Usage", "Purchase", "Tax", "Credit", "Adjustment"], [80, 5, 5, 5, 5])[0]
        service = draw.choice(services)
        size = Decimal(draw.randrange(1, 10**13)).scaleb(-draw.randrange(6, 13))
        billed = -size if category in ("Credit", "Adjustment") else size
        effective = billed * Decimal("0.75") if category == "Usage" else billed
        correction = category == "Adjustment" and draw.random() < 0.5
        day = draw.randrange(1, 31)
        writer.writerow([
            billed, effective, size * 2 if category == "Usage" else billed, "EUR", category, "Correction" if correction else "",
            f'row {row}, "as it is"', f"2026-11-{day:02}T00:00:00Z", f"2026-11-{day:02}T12:00:00Z",
            draw.randrange(1, 100) if category == "Usage" else "", "Hours" if category == "Usage" else "", service, f"sku-{row % 7}", "november",
        ])
        sums[category] = sums.get(category, Decimal(0)) + billed
        line = {"Tax": "tax", "Credit": "credits", "Adjustment": "refunds and adjustments"}.get(category)
        line = line or ("compute" if service == services[0] else "other")
        lines[line] = lines.get(line, Decimal(0)) + billed


def text(value: Decimal) -> str:
    plain = f"{value:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


json.dump(
    {"rows": 2000, "total": text(sum(sums.values())), "byCategory": {k: text(v) for k, v in sums.items()}, "byLine": {k: text(v) for k, v in lines.items()}},
    (folder / "oracle.json").open("w"),
)
