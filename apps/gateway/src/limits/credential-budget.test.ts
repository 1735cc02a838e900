import { describe, expect, test } from "vitest";
import { CredentialBudget, sourceOf } from "./credential-budget.ts";
import { Limited } from "./limited.ts";

type Outcome = "good" | "expired" | "signature";

/** What becomes of credentials that come at once from one address. */
async function outcomes(
  budget: CredentialBudget,
  from: string,
  nowMs: number,
  sent: readonly Outcome[],
): Promise<string[]> {
  return Promise.all(
    sent.map(async (outcome) => {
      try {
        const verdict = await budget.spend(from, nowMs, async () =>
          outcome === "good" ? { kind: "known" } : { kind: "unknown", reason: outcome },
        );
        return verdict.kind;
      } catch (error) {
        if (error instanceof Limited) return `wait ${error.headers["retry-after"] ?? ""}`;
        throw error;
      }
    }),
  );
}

const many = (count: number, outcome: Outcome): Outcome[] => Array.from({ length: count }, () => outcome);

describe("failed credentials per source", () => {
  test("an address with many good ones is never limited, and a flood of bad ones soon is", async () => {
    const budget = new CredentialBudget(2);
    for (let round = 0; round < 20; round++)
      expect(new Set(await outcomes(budget, "10.0.0.1", 0, many(900, "good")))).toEqual(new Set(["known"]));
    // A hundred at once, two a second, and the one that goes into debt.
    const flood: string[] = [];
    for (let i = 0; i < 300; i++) flood.push(...(await outcomes(budget, "10.0.0.2", i, ["signature"])));
    expect(flood.filter((one) => one === "unknown")).toHaveLength(101);
    expect(flood.at(-1)).toBe("wait 1");
    expect(await outcomes(budget, "10.0.0.3", 300, ["signature"])).toEqual(["unknown"]);
  });

  test("many bad ones at once are bounded too, and paid off before the next is read", async () => {
    const budget = new CredentialBudget(2);
    const flood = await outcomes(budget, "10.0.0.2", 0, many(5000, "signature"));
    expect(flood.filter((one) => one === "unknown")).toHaveLength(1000);
    expect(await outcomes(budget, "10.0.0.2", 400_000, ["good"])).toEqual(["wait 51"]);
    expect(await outcomes(budget, "10.0.0.2", 460_000, ["good"])).toEqual(["known"]);
  });

  test("what costs no signature weighs a tenth", async () => {
    const budget = new CredentialBudget(2);
    const flood: string[] = [];
    for (let i = 0; i < 1100; i++) flood.push(...(await outcomes(budget, "10.0.0.2", 0, ["expired"])));
    expect(flood.filter((one) => one === "unknown")).toHaveLength(1000);
  });

  test("0 switches it off", async () => {
    const flood = await outcomes(new CredentialBudget(0), "10.0.0.2", 0, many(5000, "signature"));
    expect(new Set(flood)).toEqual(new Set(["unknown"]));
  });
});

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
  ["2001:0DB8:0001:0002:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["unknown", "unknown"],
])("%s is of the source %s", (address, source) => {
  expect(sourceOf(address)).toBe(source);
});
