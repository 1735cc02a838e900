import { Command } from "commander";
import { expect, test } from "vitest";
import { addRoutingOptions, keptParts, parseRouting, withTenantIds } from "./routing-options.ts";

test("the command line gives lists where several may be named", () => {
  const words = ["--split", "a=m/2:5", "b=m/3:5", "--shadow", "trial=m/4", "--rule", "x-ring=beta:a"];
  expect(addRoutingOptions(new Command()).parse(words, { from: "user" }).opts()).toMatchObject({
    split: ["a=m/2:5", "b=m/3:5"],
    shadow: ["trial=m/4"],
    rule: ["x-ring=beta:a"],
  });
});

test("shares, shadows, rules and the secondary model are read as they are written", () => {
  expect(
    parseRouting({
      split: ["next=churn/2:10", "other=churn-b/7:2.5"],
      shadow: ["trial=churn/3", "rare=churn/4:5"],
      rule: ["X-Ring=beta:next"],
      secondary: "churn-small/4",
      sticky: "X-Patient",
    }),
  ).toEqual({
    variants: [
      { name: "next", kind: "split", model: "churn", version: 2 },
      { name: "other", kind: "split", model: "churn-b", version: 7 },
      { name: "trial", kind: "shadow", model: "churn", version: 3, sample: 1 },
      { name: "rare", kind: "shadow", model: "churn", version: 4, sample: 0.05 },
    ],
    traffic: {
      split: [
        { variant: "next", weight: 10 },
        { variant: "other", weight: 2.5 },
      ],
      rules: [{ by: { header: "x-ring" }, values: ["beta"], variant: "next" }],
      sticky: { header: "x-patient" },
    },
    secondary: { model: "churn-small", version: 4 },
  });
  expect(parseRouting({})).toEqual({});
  expect(parseRouting({ batchDelay: "2ms", preferredRows: "8, 16,32" })).toEqual({
    batching: { maxDelayMs: 2, preferredRows: [8, 16, 32] },
  });
  expect(
    parseRouting({ backend: ["gpu=churn-gpu/1:8.5ms:0.02EUR", "edge=churn-edge/2:40ms:0 EUR"] }),
  ).toEqual({
    backends: [
      {
        hardware: "gpu",
        model: "churn-gpu",
        version: 1,
        latencyMicrosP95: 8500,
        costPerThousand: "0.02 EUR",
      },
      {
        hardware: "edge",
        model: "churn-edge",
        version: 2,
        latencyMicrosP95: 40_000,
        costPerThousand: "0 EUR",
      },
    ],
  });
  expect(parseRouting({ workers: "0..4", scale: ["window=30s", "utilisation=0.5", "idle=60s"] })).toEqual({
    scaling: { minimum: 0, maximum: 4, stabilisationSeconds: 30, targetUtilisation: 0.5, idleSeconds: 60 },
  });
  expect(parseRouting({ preferredRows: "8" })).toEqual({ batching: { maxDelayMs: 0, preferredRows: [8] } });
});

test.each([
  [{ split: ["churn/2:10"] }, "--split"],
  [{ split: ["next=churn:10"] }, "--split"],
  [{ shadow: ["trial"] }, "--shadow"],
  [{ secondary: "churn" }, "--secondary"],
  [{ split: ["next=churn/2:10"], rule: ["x-ring"] }, "--rule x-ring=beta:next"],
  [{ rule: ["x-ring=beta:next"] }, "--split"],
  [{ keep: true, sticky: "tenant" }, "--split"],
  [{ batchDelay: "2" }, "--batch-delay"],
  [{ batchDelay: "0.5ms" }, "--batch-delay"],
  [{ backend: ["tpu=churn/1:8ms:0.02EUR"] }, "--backend"],
  [{ backend: ["gpu=churn/1:8ms"] }, "--backend"],
  [{ preferredRows: "8,x" }, "--preferred-rows"],
  [{ workers: "4" }, "--workers"],
  [{ scale: ["window=30s"] }, "--workers"],
  [{ workers: "1..4", scale: ["windows=30s"] }, "--scale"],
  [{ workers: "1..4", scale: ["constructor=1"] }, "--scale"],
  [{ workers: "1..4", scale: ["utilisation=1.5"] }, "--scale"],
])("%j is refused with the form that is wanted", (options, option) => {
  expect(() => parseRouting(options)).toThrow(
    expect.objectContaining({ mend: expect.stringContaining(option) as string }),
  );
});

test("a command line without routing options is no routing: no option's default is taken for a statement", () => {
  const command = addRoutingOptions(new Command()).parse([], { from: "user" });
  expect(parseRouting(command.opts())).toEqual({});
});

test("rules may look at who asks: tenants are written by name and sent by id", async () => {
  const routing = parseRouting({
    split: ["next=churn/2:10"],
    rule: ["tenant=operations:next", "x-ring=beta:next"],
  });
  const idOf = async (name: string) => `bu_${name}`;
  expect((await withTenantIds(routing, idOf)).traffic?.rules).toEqual([
    { by: "tenant", values: ["bu_operations"], variant: "next" },
    { by: { header: "x-ring" }, values: ["beta"], variant: "next" },
  ]);
  const plain = parseRouting({ sticky: "tenant", split: ["next=churn/2:10"] });
  expect([await withTenantIds(plain, idOf), plain.traffic?.sticky]).toEqual([plain, "tenant"]);
});

test("what is to stay is what no option names; one server fewer is named by none of them", () => {
  expect(keptParts({ workers: "1..4" })).toEqual({});
  expect(keptParts({ keep: true, workers: "1..4", split: ["next=churn/2:10"] }).keep).toEqual([
    "features",
    "fallbacks",
    "secondary",
    "cacheMebibytes",
    "batching",
    "scaling",
    "backends",
    "variants",
  ]);
  // A shadow takes no share: those that are dealt out stay, as the copies do beside new shares.
  expect(keptParts({ keep: true, shadow: ["trial=churn/3"] }).keep).toEqual(
    expect.arrayContaining(["variants", "traffic"]),
  );
  const none = { keep: true, backend: ["none"], features: "f.json" };
  expect(parseRouting(none)).toEqual({});
  expect(keptParts(none).keep).not.toContain("backends");
  expect(keptParts(none).keep).not.toContain("features");
});
