import { parseInstant } from "@portolan/kernel";
import type { PredictionHeader } from "@portolan/predictions/contract";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocateBill } from "../allocate-bill.ts";
import { readBill } from "../read-lines.ts";
import { rollUp } from "../roll-up.ts";
import { countBlockUsage, meterOf } from "./count-block.ts";
import { statementLines } from "./statement-lines.ts";

const at = parseInstant;
const tenant = { businessUnit: "finance", team: "risk", useCase: "", model: "", environment: "production" };

describe("blocks of the prediction log", () => {
  const header = (
    rest: Partial<PredictionHeader> & { readonly variant?: "shadow"; readonly hardware?: string } = {},
  ) =>
    ({
      id: "prd_1",
      principal: "sa_1",
      requestId: "r",
      receivedAt: at("2026-11-03T00:59:59.999999Z"),
      latency: { totalMicros: 900, runMicros: 250 },
      status: { kind: "ok" },
      ...rest,
      context: {
        organisationId: "org_1",
        useCaseId: "uc_1",
        endpoint: "churn",
        environment: "production",
        model: { name: "m", version: "3", digest: "sha256:0" },
        variant: rest.variant ?? "champion",
        ...(rest.hardware ? { backend: { hardware: rest.hardware, why: "cheapest" } } : {}),
        snapshotVersion: 1,
        costTags: {},
        ...rest.context,
      },
    }) as PredictionHeader;
  const found = (headers: readonly PredictionHeader[]) =>
    countBlockUsage(headers).map(({ resource, variant, hour, quantity }) => [
      resource,
      variant,
      hour,
      quantity,
    ]);
  const hour = at("2026-11-03T00:00:00Z");

  test("requests, time on processors and cards, and tokens are counted by hour of arrival", () => {
    const text = {
      operation: "chat",
      promptTokens: 30,
      completionTokens: 12,
      estimated: false,
      streamed: false,
    } as const;
    const flood = { kind: "refused", httpStatus: 429, reason: "serving.rate_limited", count: 40 } as const;
    expect(
      found([
        header(),
        header({ text, bytes: { in: 1200, out: 0 } }),
        header({ status: flood, latency: { totalMicros: 5 } }),
        header({ variant: "shadow", bytes: { in: 0, out: 0 } }),
        header({ hardware: "gpu" }),
        header({ receivedAt: at("2026-11-03T01:00:00Z") }),
      ]),
    ).toEqual([
      ["cpu_hours", "champion", hour, 500n],
      ["cpu_hours", "champion", at("2026-11-03T01:00:00Z"), 250n],
      ["gpu_hours", "champion", hour, 250n * 840n],
      ["request_gb", "champion", hour, 1200n],
      ["requests", "champion", hour, 43n],
      ["requests", "champion", at("2026-11-03T01:00:00Z"), 1n],
      ["requests_without_bytes", "champion", hour, 42n],
      ["requests_without_bytes", "champion", at("2026-11-03T01:00:00Z"), 1n],
      ["tokens", "champion", hour, 42n],
      ["cpu_hours", "shadow", hour, 250n],
      ["requests", "shadow", hour, 1n],
    ]);
    expect(found([header({ context: { endpoint: "-" } as PredictionHeader["context"] })])).toEqual([]);
  });

  test("bytes by endpoint, version and variant are what the log's own text says; egress is what went outside, and unknown is not nothing", () => {
    const versions = ["3", "4"] as const;
    const entry = fc.record({
      endpoint: fc.constantFrom("churn", "fraud"),
      version: fc.constantFrom(...versions),
      variant: fc.constantFrom("champion" as const, "challenger" as const),
      hours: fc.nat(2),
      bytes: fc.option(
        fc.record(
          { in: fc.maxSafeNat(), out: fc.maxSafeNat(), outside: fc.constant(true) },
          { requiredKeys: ["in", "out"] },
        ),
        { nil: undefined },
      ),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 30 }), (entries) => {
        const headers = entries.map(({ endpoint, version, variant, hours, bytes }) =>
          header({
            receivedAt: hour + hours * 3_600_000_000,
            ...(bytes ? { bytes } : {}),
            context: { endpoint, variant, model: { name: "m", version } } as PredictionHeader["context"],
          }),
        );
        const counted = countBlockUsage(headers);
        const sumOf = (resource: string, endpoint: string, version: string, variant: string) =>
          counted
            .filter(
              (one) =>
                one.resource === resource &&
                one.endpoint === endpoint &&
                one.version === version &&
                one.variant === variant,
            )
            .reduce((sum, { quantity }) => sum + quantity, 0n);
        for (const endpoint of ["churn", "fraud"])
          for (const version of versions)
            for (const variant of ["champion", "challenger"]) {
              // The second way: over the headers as they lie in the log, by their text.
              const lines = headers
                .map((one) => JSON.stringify(one))
                .filter(
                  (line) =>
                    line.includes(`"endpoint":"${endpoint}"`) &&
                    line.includes(`"version":"${version}"`) &&
                    line.includes(`"variant":"${variant}"`),
                );
              const total = (name: string, of: readonly string[]) =>
                of.reduce((sum, line) => sum + BigInt(line.match(`"${name}":(\\d+)`)?.[1] ?? "0"), 0n);
              expect([
                sumOf("request_gb", endpoint, version, variant),
                sumOf("response_gb", endpoint, version, variant),
                sumOf("egress_gb", endpoint, version, variant),
                sumOf("requests_without_bytes", endpoint, version, variant),
              ]).toEqual([
                total("in", lines),
                total("out", lines),
                total(
                  "out",
                  lines.filter((line) => line.includes('"outside":true')),
                ),
                BigInt(lines.filter((line) => !line.includes('"bytes"')).length),
              ]);
            }
      }),
    );
  });

  test("a bill's egress is split by the bytes that left, to the last part", () => {
    const sent = (useCaseId: string, out: number, outside = true) =>
      header({ bytes: { in: 10, out, outside }, context: { useCaseId } as PredictionHeader["context"] });
    const headers = [sent("fraud", 300), sent("fraud", 600), sent("churn", 100), sent("churn", 9999, false)];
    const usage = countBlockUsage(headers).map(({ useCaseId, resource, quantity }) => ({
      tenant: { ...tenant, useCase: useCaseId },
      resource,
      quantity: quantity * 1_000_000_000n,
    }));
    const bill = readBill("line,kind,amount,currency,capacity\negress_gb,metered,90,USD,\n", "b.csv");
    const lines = statementLines(usage, new Set(["egress_gb"]));
    const allocation = allocateBill(bill, lines, { idle: "separate", shared: "proportional" });
    expect(
      rollUp(allocation, "useCase").map(({ names, total }) => [names.at(-1), total.nanos / 1_000_000_000n]),
    ).toEqual([
      ["fraud", 81n],
      ["churn", 9n],
    ]);
  });

  test("blocks in any order and cut anywhere come to the same sums", () => {
    const headers = Array.from({ length: 60 }, (_, index) =>
      header({
        receivedAt: hour + index * 400_000_000,
        latency: { totalMicros: 900, runMicros: (index * 7919) % 1013 },
        ...(index % 4 === 0 ? {} : { bytes: { in: index * 31, out: index * 17, outside: index % 5 === 0 } }),
        ...(index % 3 === 0 ? { variant: "shadow" as const } : {}),
      }),
    );
    const summed = (blocks: readonly (readonly PredictionHeader[])[]) => {
      const sums = new Map<string, bigint>();
      for (const one of blocks.flatMap((block) => countBlockUsage(block)))
        sums.set(meterOf(one), (sums.get(meterOf(one)) ?? 0n) + one.quantity);
      return [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1));
    };
    const whole = summed([headers]);
    fc.assert(
      fc.property(
        fc.shuffledSubarray(headers, { minLength: headers.length }),
        fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 5 }),
        (shuffled, cuts) => {
          const edges = [0, ...cuts.toSorted((a, b) => a - b), 60];
          expect(summed(edges.slice(1).map((edge, index) => shuffled.slice(edges[index], edge)))).toEqual(
            whole,
          );
        },
      ),
    );
  });
});
