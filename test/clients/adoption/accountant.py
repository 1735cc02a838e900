"""Prints what dp-accounting's RDP accountant says of DP-SGD, as JSON. Argument: a JSON list of cases."""
import json
import sys

import dp_accounting
from dp_accounting.rdp import RdpAccountant


def loss(case):
    accountant = RdpAccountant()
    step = dp_accounting.PoissonSampledDpEvent(case["samplingRate"], dp_accounting.GaussianDpEvent(case["noiseMultiplier"]))
    accountant.compose(dp_accounting.SelfComposedDpEvent(step, case["steps"]))
    epsilon, order = accountant.get_epsilon_and_optimal_order(case["delta"])
    return {"epsilon": float(epsilon), "order": float(order)}


cases = json.loads(sys.argv[1])
print(json.dumps([{**case, **loss(case)} for case in cases]))
