import type { Clock } from "@portolan/kernel";
import { Gauge, type Registry } from "prom-client";

/** What is known of the addresses that keys of token issuers come from; identity's `IssuerKeys` tells it. */
export interface PublishedKeys {
  asked(): readonly { readonly uri: string; readonly isAway: boolean; readonly fetchedAt?: number }[];
}

/** Shows which issuers do not answer and how old their last good keys are, which count for a day. Nobody is asked. */
export function addIssuerMetrics(registry: Registry, keys: PublishedKeys, clock: Clock): void {
  const labelNames = ["uri"];
  const up = new Gauge({
    name: "portolan_control_issuer_keys_up",
    help: "Whether the issuer gave its keys when it was last asked, 1 or 0",
    labelNames,
    registers: [registry],
    collect: () => {
      up.reset();
      for (const { uri, isAway } of keys.asked()) up.set({ uri }, isAway ? 0 : 1);
    },
  });
  const age = new Gauge({
    name: "portolan_control_issuer_keys_age_seconds",
    help: "Age of the last good keys; absent: there are none that count",
    labelNames,
    registers: [registry],
    collect: () => {
      age.reset();
      for (const { uri, fetchedAt } of keys.asked())
        if (fetchedAt !== undefined) age.set({ uri }, (clock.now() - fetchedAt) / 1_000_000);
    },
  });
}
