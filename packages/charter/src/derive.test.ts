import { allowsPlace } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { charterDiff } from "./charter-diff.ts";
import { controlNames } from "./controls.ts";
import { deriveFromCharter } from "./derive.ts";
import type { CharterDocument } from "./document.ts";
import { explainCharter, explanationMarkdown } from "./explain.ts";
import { charterJsonSchema } from "./json-schema.ts";
import { parseCharter, requireValid } from "./parse-charter.ts";
import { allowedPlaces, assertPlacement, judgePlacement, type PlacementLocation } from "./placement.ts";
import { requiredSignatures } from "./required-signatures.ts";
import { readTemplate, type TemplateName, templateNames } from "./templates.ts";

function template(name: TemplateName): CharterDocument {
  return requireValid(parseCharter(readTemplate(name))).document;
}

describe("derivation", () => {
  test.each(["flight-delays", "healthcare-readmission"] as const)("of %s is the golden one", async (name) => {
    const { document, lines } = requireValid(parseCharter(readTemplate(name)));
    const markdown = explanationMarkdown(explainCharter(document, lines));
    await expect(markdown).toMatchFileSnapshot(`../testdata/${name}.explained.md`);
  });

  test("every control is derived from some template or what none of them asks for, and each item of a template is enforced or says why not", () => {
    const { requirements, ...churn } = template("churn");
    // No template asks for differential privacy: it takes a trainer of its own. None says what is a large job either.
    const asking = { ...requirements, privacy: { maximumEpsilon: 3, delta: 1e-6 } };
    const sized = { ...churn, requirements: asking, capacity: { approvalAbove: { gpus: 4 } } };
    const items = [...templateNames.map(template), sized].flatMap(
      (document) => deriveFromCharter(document).items,
    );
    const derived = new Set(items.map((item) => item.control));
    expect(controlNames.filter((control) => !derived.has(control))).toEqual([]);
    for (const { enforcement } of items) {
      expect(enforcement.kind === "enforced" ? enforcement.by : enforcement.why).toMatch(/\w+/);
    }
  });

  test("NaN and infinities are refused on both sides unless the charter says otherwise", () => {
    const document = template("flight-delays");
    const said = (nonFinite?: CharterDocument["requirements"]["nonFinite"]) => {
      const { requirements } = document;
      const changed = { ...document, requirements: { ...requirements, ...(nonFinite ? { nonFinite } : {}) } };
      return deriveFromCharter(changed).items.filter(({ control }) => control.startsWith("non_finite"));
    };
    expect(said().map(({ value, from }) => [value, from[0]?.pointer])).toEqual([
      ["refuse", "/requirements"],
      ["refuse", "/requirements"],
    ]);
    expect(
      said({ inputs: "missing", outputs: "fallback" }).map(({ value, from }) => [value, from[0]?.pointer]),
    ).toEqual([
      ["missing", "/requirements/nonFinite/inputs"],
      ["fallback", "/requirements/nonFinite/outputs"],
    ]);
  });

  test("what becomes of missing features is said only where the charter says it, by view", () => {
    const document = template("flight-delays");
    const said = (missingFeatures?: CharterDocument["requirements"]["missingFeatures"]) => {
      const requirements = { ...document.requirements, ...(missingFeatures ? { missingFeatures } : {}) };
      const { items, terms } = deriveFromCharter({ ...document, requirements });
      const item = items.find(({ control }) => control === "missing_features");
      return [item?.statement, terms.missingFeatures];
    };
    expect(said()).toEqual([undefined, { otherwise: "default", views: {} }]);
    expect(said({ views: { accounts: "fallback" } })).toEqual([
      "Features that are missing or too old: the deployment's stand-in goes in; accounts: the fallback answers.",
      { otherwise: "default", views: { accounts: "fallback" } },
    ]);
  });

  test("groups are compared only where the charter says in what they may differ; a charter without a word is as it was signed", () => {
    const document = template("flight-delays");
    const said = (fairness: NonNullable<CharterDocument["fairness"]>) => {
      const { items, terms } = deriveFromCharter({ ...document, fairness });
      return [items.find(({ control }) => control === "fairness_gate")?.enforcement.kind, terms.fairness];
    };
    const stated = { attributes: ["age-band"], maximumDifference: 0.1 };
    expect(said(stated)).toEqual(["not_enforced", undefined]);
    expect(said({ ...stated, measures: ["demographic_parity_difference"], minimumRatio: 0.8 })).toEqual([
      "enforced",
      {
        columns: ["age_band"],
        maximumDifference: 0.1,
        measures: ["demographic_parity_difference"],
        minimumRatio: 0.8,
        intersections: false,
        support: { positives: 30, negatives: 30 },
      },
    ]);
  });

  test("a bound that its interval must keep says so", () => {
    const document = template("flight-delays");
    const accuracy = { ...document.requirements.accuracy, heldBy: "interval" as const };
    const { items, terms } = deriveFromCharter({
      ...document,
      requirements: { ...document.requirements, accuracy },
    });
    expect(terms.accuracy.heldBy).toBe("interval");
    const gate = items.find(({ control }) => control === "accuracy_gate");
    expect(gate?.statement).toBe(
      "A version without roc_auc of at least 0.6 at the worse end of its interval is not released.",
    );
    expect(gate?.from.map(({ pointer }) => pointer)).toContain("/requirements/accuracy/heldBy");
  });

  test("slices are judged where they have a gap, a challenger where it has metrics; both are silent otherwise", () => {
    const document = template("flight-delays");
    const said = (more: Partial<CharterDocument["requirements"]>) => {
      const requirements = { ...document.requirements, ...more };
      const { items, terms } = deriveFromCharter({ ...document, requirements });
      const controls = ["slice_gate", "challenger_gate"];
      const found = items.filter(({ control }) => controls.includes(control));
      return { statements: found.map(({ statement }) => statement), terms };
    };
    expect(said({}).statements).toEqual([]);
    const measured = said({ slices: { columns: ["hub"], support: { positives: 50 } } });
    expect(measured.statements).toEqual([]);
    expect(measured.terms.slices).toEqual({
      columns: ["hub"],
      bins: 4,
      support: { positives: 50, negatives: 30 },
    });
    expect(
      said({
        slices: { columns: ["hub"], maximumGap: 0.05 },
        challenger: { metrics: ["roc_auc", "f1"], margins: { f1: 0.01 } },
      }).statements,
    ).toEqual([
      "A version whose roc_auc is worse by more than 0.05 on some slice of hub is not released.",
      "A version replaces the one in production only when it is better in roc_auc and not worse by more than 0.01 in f1.",
    ]);
  });

  test("timeout, retries and circuit breaker are the defaults, silently, or what the charter says", () => {
    const document = { ...template("flight-delays"), apiVersion: "portolan/v2" as const };
    const said = (
      faultTolerance?: CharterDocument["requirements"]["faultTolerance"],
      fallback = document.fallback,
      more: Partial<CharterDocument> = {},
    ) => {
      const requirements = { ...document.requirements, ...(faultTolerance ? { faultTolerance } : {}) };
      const { items, terms } = deriveFromCharter({ ...document, ...more, requirements, fallback });
      const controls = ["request_timeout", "retry_budget", "circuit_breaker"];
      const found = items.filter(({ control }) => controls.includes(control));
      return { terms, statements: found.map(({ statement }) => statement) };
    };
    const silent = said();
    expect(silent.statements).toEqual(["A prediction is given up after 120ms (the p99), fallback included."]);
    expect(silent.terms.faultTolerance).toEqual({
      timeoutMs: 120,
      retryShare: 0.2,
      breaker: { consecutiveFailures: 5, failureRate: 0.5, slowMs: 120, openMs: 1000 },
    });
    const stated = said({
      timeout: "300ms",
      retries: "0%",
      circuitBreaker: { consecutiveFailures: 2, failureRate: "12.5%", slowerThan: "200ms", openFor: "5s" },
    });
    expect(stated.statements).toEqual([
      "A prediction is given up after 300ms, fallback included: later than the p99.",
      "No request is tried a second time.",
      "After 2 failures in a row, or when 12.5 % of the answers fail or take longer than 200ms, the model is left alone for 5s.",
    ]);
    expect(stated.terms).toMatchObject({ requestTimeoutMs: 300, concurrencyLimit: 150 });
    const before = said(undefined, document.fallback, { apiVersion: "portolan/v1" });
    expect(before.statements).toEqual(["A prediction is given up after 240ms (twice the p99)."]);
    expect(before.terms).toMatchObject({ requestTimeoutMs: 240, concurrencyLimit: 120 });
    expect(said({ timeout: "120ms" }).statements).toEqual([
      "A prediction is given up after 120ms, fallback included.",
    ]);
    const alone = said(undefined, { kind: "none" });
    expect(alone.statements).toEqual(["A prediction is given up after 240ms (twice the p99)."]);
    expect(alone.terms).toMatchObject({ requestTimeoutMs: 240, concurrencyLimit: 120 });
    expect(said({ timeout: "300ms" }, { kind: "none" }).statements).toEqual([
      "A prediction is given up after 300ms.",
    ]);
  });

  test("numbers come out as written", () => {
    const { terms } = deriveFromCharter(template("flight-delays"));
    expect(terms).toMatchObject({
      latencyMsP95: 50,
      latencyMsP99: 120,
      requestTimeoutMs: 240,
      rateLimit: { requestsPerSecond: 500, burst: 50, beyond: "reject" },
      concurrencyLimit: 120,
      accuracy: { metric: "roc_auc", kind: "floor", value: 0.6, below: "alert" },
      availability: 0.995,
      snapshotAge: { maximumMs: 86_400_000, beyond: "refuse" },
      retentionMs: 2 * 365 * 86_400_000,
      logDurability: "buffered",
      costCeilingPerMonth: { nanos: 2_000_000_000_000n, currency: "USD" },
    });
  });

  test("shares of the ceiling are said where they are stated, and nowhere else", () => {
    const document = template("flight-delays");
    const { requirements } = document;
    const throughput = {
      ...requirements.throughput,
      clientShare: "40%",
      tenantShare: "70%",
      counting: "strict" as const,
    };
    const derive = (stated: typeof requirements.throughput) =>
      deriveFromCharter({ ...document, requirements: { ...requirements, throughput: stated } });
    const shared = derive(throughput);
    expect(shared.terms.rateLimit).toMatchObject({ clientShare: 0.4, tenantShare: 0.7, counting: "strict" });
    expect(shared.items.find((item) => item.control === "rate_limit")).toMatchObject({
      statement:
        "At most 500 requests a second, 50 at once; one client 40% of it; one business unit 70% of it; counted strictly over all gateways.",
      from: [
        { pointer: "/requirements/throughput/ceiling" },
        { pointer: "/requirements/throughput/clientShare" },
        { pointer: "/requirements/throughput/tenantShare" },
        { pointer: "/requirements/throughput/counting" },
      ],
    });
    expect(derive(requirements.throughput).terms.rateLimit).toEqual({
      requestsPerSecond: 500,
      burst: 50,
      beyond: "reject",
    });
  });

  test("tokens of text are a limit beside the requests, a minute of them at once", () => {
    const document = template("flight-delays");
    const { requirements } = document;
    const throughput = { ...requirements.throughput, tokens: "90000 tpm" };
    const derived = deriveFromCharter({ ...document, requirements: { ...requirements, throughput } });
    expect(derived.terms.rateLimit.tokens).toEqual({ tokensPerSecond: 1500, burst: 90_000 });
    expect(derived.items.find((item) => item.control === "token_limit")).toMatchObject({
      statement: "At most 90000 tokens of text a minute, 90000 at once.",
      from: [{ pointer: "/requirements/throughput/tokens" }],
      enforcement: { kind: "enforced", by: "gateway" },
    });
    expect(deriveFromCharter(document).items.some((item) => item.control === "token_limit")).toBe(false);
  });

  test("a regulation makes the log durable without being told", () => {
    const document = template("flight-delays");
    const regulated = {
      ...document,
      nonNegotiables: { ...document.nonNegotiables, regulations: ["SOX" as const] },
    };
    const { log: _, ...silent } = regulated;
    expect(deriveFromCharter(silent).terms.logDurability).toBe("durable");
  });

  test("how long a gateway goes on without control follows the risk, a regulation, or the charter's own word", () => {
    const silent = template("manufacturing-maintenance");
    const at = (change: Partial<CharterDocument>) =>
      deriveFromCharter({ ...silent, ...change }).terms.snapshotAge;
    const free = { ...silent.nonNegotiables, regulations: [] };
    const risk = (level: "low" | "medium" | "high") => ({
      nonNegotiables: free,
      riskTolerance: { ...silent.riskTolerance, level },
    });
    expect(at(risk("low"))).toEqual({ maximumMs: 86_400_000, beyond: "refuse" });
    expect(at(risk("medium"))).toEqual({ maximumMs: 3 * 86_400_000, beyond: "refuse" });
    expect(at(risk("high"))).toEqual({ maximumMs: 7 * 86_400_000, beyond: "serve" });
    const regulated = { ...free, regulations: ["SOX" as const] };
    expect(at({ ...risk("high"), nonNegotiables: regulated })).toEqual({
      maximumMs: 86_400_000,
      beyond: "refuse",
    });
    const stated = { ...silent.requirements, snapshotAge: { maximum: "2h", beyond: "serve" as const } };
    expect(at({ ...risk("low"), requirements: stated })).toEqual({ maximumMs: 7_200_000, beyond: "serve" });
  });

  test("the charter's own wish adds a signature, with its reason", () => {
    const document = {
      ...template("manufacturing-maintenance"),
      signOff: { alsoRequired: ["finance" as const] },
    };
    expect(requiredSignatures(document).at(-1)).toEqual({
      role: "finance",
      because: [{ pointer: "/signOff/alsoRequired/0", reason: "the charter asks for it" }],
    });
  });
});

describe("placement", () => {
  const here: PlacementLocation = {
    kind: "store",
    name: "postgres",
    region: "local",
    owner: "self",
    environment: "production",
  };
  const cases: [string, TemplateName, Partial<PlacementLocation>, string[]][] = [
    ["this machine", "flight-delays", {}, []],
    ["a cloud region", "flight-delays", { region: "us-east-1" }, ["/nonNegotiables/residency/regions"]],
    ["another owner", "flight-delays", { owner: "aws" }, ["/nonNegotiables/residency/owners"]],
    ["a region by prefix", "churn", { region: "eu-west-1", owner: "aws" }, []],
    [
      "a region that only looks like it",
      "churn",
      { region: "europe-west1", owner: "gcp" },
      ["/nonNegotiables/residency/regions"],
    ],
    [
      "nowhere near",
      "healthcare-readmission",
      { region: "us-east-1", owner: "aws" },
      ["/nonNegotiables/residency/regions", "/nonNegotiables/residency/owners"],
    ],
  ];
  test.each(cases)("%s under %s", (_, name, change, pointers) => {
    const verdict = judgePlacement(template(name), { ...here, ...change });
    expect(verdict.kind === "refused" ? verdict.refusals.map((refusal) => refusal.pointer) : []).toEqual(
      pointers,
    );
    // What travels with a route decides as the charter itself.
    expect(allowsPlace(allowedPlaces(template(name)), { ...here, ...change })).toBe(pointers.length === 0);
  });

  test("strict sovereignty means own machines, also when no owner is listed", () => {
    const document = template("churn");
    const strict: CharterDocument = {
      ...document,
      riskTolerance: { ...document.riskTolerance, dataSovereignty: "strict" },
    };
    expect(allowedPlaces(strict).owners).toEqual(["self"]);
    expect(() => assertPlacement(strict, { ...here, region: "eu-west-1", owner: "aws" })).toThrow(
      "charter.placement_refused",
    );
  });

  test("an environment that the charter does not cover is refused", () => {
    const document: CharterDocument = { ...template("flight-delays"), environments: ["dev"] };
    expect(judgePlacement(document, here)).toMatchObject({
      kind: "refused",
      refusals: [{ pointer: "/environments" }],
    });
  });
});

test("a difference names the value before and after, and key order is none", () => {
  const before = template("flight-delays");
  const after = { ...before, purposes: ["staff-planning"], explainability: "none" as const };
  const reordered = Object.fromEntries(Object.entries(after).toReversed()) as CharterDocument;
  expect(
    charterDiff(before, reordered)
      .map((change) => change.pointer)
      .toSorted(),
  ).toEqual(["/explainability", "/purposes"]);
  expect(charterDiff(before, structuredClone(before))).toEqual([]);
});

test("the published schema is self-contained JSON Schema that describes every key", () => {
  const schema = charterJsonSchema() as {
    $schema: string;
    properties: Record<string, { description?: string }>;
  };
  expect(schema.$schema).toContain("2020-12");
  expect(JSON.stringify(schema)).not.toContain("$ref");
  const undescribed = Object.entries(schema.properties).filter(([, property]) => !property.description);
  expect(undescribed).toEqual([]);
});
