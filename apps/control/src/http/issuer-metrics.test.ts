import { fakeClock } from "@portolan/testkit";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { addIssuerMetrics } from "./issuer-metrics.ts";

test("an issuer that is away shows, and how old its keys are", async () => {
  const registry = new Registry();
  const clock = fakeClock();
  const uri = "https://id.example/jwks";
  const fetchedAt = clock.now();
  let asked = [{ uri, isAway: true, fetchedAt }];
  addIssuerMetrics(registry, { asked: () => asked }, clock);
  clock.advance(90_000_000);
  const page = await registry.metrics();
  expect(page).toContain(`portolan_control_issuer_keys_up{uri="${uri}"} 0`);
  expect(page).toContain(`portolan_control_issuer_keys_age_seconds{uri="${uri}"} 90`);
  asked = [];
  expect(await registry.metrics()).not.toContain(uri);
});
