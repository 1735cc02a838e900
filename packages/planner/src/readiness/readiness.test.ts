import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate } from "@portolan/charter/templates";
import { environments } from "@portolan/kernel";
import { Value } from "@portolan/typebox";
import fc from "fast-check";
import { expect, test } from "vitest";
import { judgeRunning } from "./anti-patterns.ts";
import { type CheckName, checkNames, checks, dimensions } from "./checks.ts";
import { phases } from "./effort.ts";
import {
  type Evidence,
  type Found,
  type RecordKind,
  recordKinds,
  type ServedFact,
  type UseCaseFacts,
} from "./evidence.ts";
import { judgeReadiness } from "./judge-readiness.ts";
import { ReadinessDocument } from "./readiness-schema.ts";
import { doneWhen, firstModelDays, judgeFirstModel, roads } from "./roadmap.ts";
import { byName, type Score, scoreReadiness } from "./score.ts";
import { freshMicros } from "./standing.ts";

const day = 86_400_000_000;
const start = 1_780_000_000_000_000;
const now = start + 100 * day;
const template = requireValid(parseCharter(readTemplate("flight-delays"), "charter.yaml")).document;
/** Asks for everything that can be asked for. */
const demanding: CharterDocument = {
  ...template,
  explainability: "model",
  humanReview: "below_confidence",
  workload: { averageThroughput: "10 req/s" },
  nonNegotiables: { ...template.nonNegotiables, regulations: ["GDPR"] },
  data: { ...template.data, featureViews: ["features/visits.yaml"] },
};

const inForce = (document: CharterDocument) => ({
  id: "cht_1",
  version: 1,
  inForceSince: start + day,
  document,
  signedRoles: [],
});
const facts = (change: Partial<UseCaseFacts> = {}): UseCaseFacts => ({
  useCase: { id: "uc_1", name: "churn", createdAt: start },
  now,
  environments,
  found: {},
  served: [],
  ...change,
});
const record = (change: Partial<Evidence> = {}): Evidence => ({
  id: "one",
  at: now - day,
  environment: "production",
  ...change,
});
const state = (score: Score, name: CheckName) => byName(score).get(name)?.standing.state;
const dimensionOf = (name: CheckName) => checks.find((check) => check.name === name)?.dimension;

/** Which records hold which check alone, by dimension; two of a kind where two are asked for. */
const table: readonly (readonly [(typeof dimensions)[number], CheckName, RecordKind, number])[] = [
  ["data", "contract_published", "contract", 1],
  ["data", "data_published", "dataset", 1],
  ["data", "data_fresh", "dataset", 1],
  ["data", "features_defined", "feature_view", 1],
  ["data", "features_served", "endpoint_with_features", 1],
  ["scale", "compute_measured", "compute_profile", 1],
  ["scale", "load_seen", "request_count", 1],
  ["availability", "gateways_two", "gateway", 2],
  ["availability", "endpoint_live", "endpoint", 1],
  ["availability", "way_back", "earlier_deployment", 1],
  ["compliance", "data_policies", "data_policy", 1],
  ["compliance", "access_narrow", "narrow_role", 1],
  ["accountability", "audit_sealed", "checkpoint", 1],
  ["accountability", "answers_recorded", "answers", 1],
  ["accountability", "approved_by_second", "second_approval", 1],
  ["accountability", "explained", "explanation", 1],
  ["accountability", "reviewed", "review", 1],
  ["delivery", "training_reproducible", "training_run", 1],
  ["delivery", "version_signed", "version", 1],
  ["delivery", "gates_passed", "passed_evaluation", 1],
  ["delivery", "promoted", "promotion", 1],
  ["delivery", "canary_passed", "released", 1],
  ["delivery", "pipeline_published", "pipeline", 1],
  ["monitoring", "reference_profile", "reference_profile", 1],
  ["monitoring", "drift_counted", "drift_window", 1],
  ["monitoring", "alerts_routed", "alert_route", 1],
  ["monitoring", "outcomes_reported", "outcomes", 1],
  ["monitoring", "retraining_policy", "retraining_policy", 1],
  ["cost", "plan_kept", "plan", 1],
  ["cost", "usage_metered", "metered_month", 1],
  ["cost", "costs_compared", "metered_month", 2],
];
const byCharter: readonly CheckName[] = [
  "targets_stated",
  "load_stated",
  "fallback_designed",
  "charter_signed",
  "controls_enforced",
  "budget_ceiling",
];

test.each(table)("%s: %s is held by %s, and by nothing less", (dimension, name, kind, least) => {
  const with_ = (count: number) =>
    scoreReadiness(
      facts({ found: { [kind]: Array.from({ length: count }, (_, n) => record({ id: `r${n}` })) } }),
    );
  expect(dimensionOf(name)).toBe(dimension);
  expect(state(with_(least - 1), name)).toBe("missing");
  expect(state(with_(least), name)).toBe("held");
  expect(
    byName(with_(least))
      .get(name)
      ?.standing.evidence.map(({ id }) => id),
  ).toContain("r0");
});

test("every check is held by a record of the table or by the charter, and every kind of record holds one", () => {
  expect([...table.map(([, name]) => name), ...byCharter].toSorted()).toEqual(checkNames.toSorted());
  expect([...new Set(table.map(([, , kind]) => kind))].toSorted()).toEqual(recordKinds.toSorted());
});

test("without evidence everything is missing; with all of it nothing is, and the score is 100", () => {
  const nothing = scoreReadiness(facts());
  expect(nothing.score).toBe(0);
  expect(nothing.dimensions.map(({ score }) => score)).toEqual(dimensions.map(() => 0));
  const found = Object.fromEntries(recordKinds.map((kind) => [kind, [record(), record({ id: "two" })]]));
  const all = judgeReadiness(facts({ found, charter: inForce(demanding) }));
  const open = all.dimensions.flatMap(({ checks: own }) => own.filter((one) => one.state !== "held"));
  expect(open).toEqual([]);
  expect(all).toMatchObject({ score: 100, remaining: { daysLow: 0, daysHigh: 0, checks: 0 } });
  expect(all.definitionOfDone.isDone).toBe(true);
  expect(Value.Check(ReadinessDocument, JSON.parse(JSON.stringify(all)))).toBe(true);
});

test("a charter in force waives what it does not ask for; a draft waives and holds nothing, and names who has not signed", () => {
  const mild: CharterDocument = {
    ...demanding,
    explainability: "none",
    humanReview: "none",
    nonNegotiables: { ...template.nonNegotiables, regulations: [] },
    data: { classification: "internal", contracts: template.data.contracts },
  };
  const waived = scoreReadiness(facts({ charter: inForce(mild) }));
  for (const name of [
    "explained",
    "reviewed",
    "features_defined",
    "features_served",
    "data_policies",
  ] as const)
    expect(state(waived, name)).toBe("waived");
  const strict = scoreReadiness(facts({ charter: inForce(demanding) }));
  for (const name of [
    "explained",
    "reviewed",
    "features_defined",
    "features_served",
    "data_policies",
  ] as const)
    expect(state(strict, name)).toBe("missing");
  const { inForceSince: _, ...draft } = inForce(mild);
  const drafted = scoreReadiness(facts({ charter: draft }));
  expect(drafted.score).toBe(0);
  const standing = byName(drafted).get("charter_signed")?.standing;
  expect(standing?.state === "missing" ? standing.lacks.join("\n") : "").toContain(
    "team_lead has not signed",
  );
});

test("production is proved by production's records, and what is older than a month is not fresh", () => {
  const of = (evidence: Evidence, kind: RecordKind) =>
    scoreReadiness(facts({ found: { [kind]: [evidence] } }));
  expect(state(of(record({ environment: "staging" }), "endpoint"), "endpoint_live")).toBe("missing");
  expect(state(of(record({ environment: "staging" }), "dataset"), "data_published")).toBe("held");
  const edge = record({ at: now - freshMicros });
  expect(state(of(edge, "drift_window"), "drift_counted")).toBe("held");
  expect(state(of({ ...edge, at: edge.at - 1 }, "drift_window"), "drift_counted")).toBe("missing");
});

const evidence = fc.record({
  id: fc.string({ minLength: 1, maxLength: 3 }),
  at: fc.integer({ min: now - 60 * day, max: now }),
  environment: fc.constantFrom(...environments),
});
const someRecords = fc.dictionary(
  fc.constantFrom(...recordKinds),
  fc.array(evidence, { maxLength: 3 }),
) as fc.Arbitrary<Found>;

test("more evidence never scores lower, in any dimension", () => {
  const charter = fc.option(fc.constantFrom(template, demanding), { nil: undefined });
  fc.assert(
    fc.property(someRecords, someRecords, charter, fc.boolean(), (first, more, document, hadCharter) => {
      const both = Object.fromEntries(
        recordKinds.map((kind) => [kind, [...(first[kind] ?? []), ...(more[kind] ?? [])]]),
      );
      const own = document ? { charter: inForce(document) } : {};
      const before = scoreReadiness(facts({ found: first, ...(hadCharter ? own : {}) }));
      const after = scoreReadiness(facts({ found: both, ...own }));
      expect(after.score).toBeGreaterThanOrEqual(before.score);
      for (const [index, { score }] of before.dimensions.entries())
        expect(after.dimensions[index]?.score).toBeGreaterThanOrEqual(score);
    }),
  );
});

test("an effort is a range, and whoever lacks a whole phase of the article needs its days", () => {
  const { dimensions: judged } = judgeReadiness(facts());
  const missing = judged.flatMap(({ checks: own }) => own.map(({ name, missing: lack }) => ({ name, lack })));
  for (const { lack } of missing)
    expect(lack?.effort.daysLow).toBeLessThanOrEqual(lack?.effort.daysHigh ?? 0);
  for (const { name, workingDays } of phases) {
    const own = checks.filter(({ phase }) => phase === name).map((check) => check.name as string);
    expect(own.length).toBeGreaterThan(0);
    const days = missing
      .filter((one) => own.includes(one.name))
      .reduce((sum, { lack }) => sum + (lack?.effort.daysHigh ?? 0), 0);
    // Each is rounded to a tenth.
    if (workingDays !== undefined)
      expect(Math.abs(days - workingDays)).toBeLessThanOrEqual(0.05 * own.length + 1e-9);
  }
});

test("a step is done when all its checks hold, late when they came too late, and overdue when they have not come", () => {
  const charter = inForce(demanding);
  const open = judgeReadiness(facts({ charter, found: { plan: [record({ at: start + 20 * day })] } }));
  const steps = open.roadmaps[0]?.steps ?? [];
  expect(steps[0]).toMatchObject({ state: "done", isLate: false, doneAt: start + day });
  expect(steps[1]).toMatchObject({ state: "done", isLate: true, doneAt: start + 20 * day, missing: [] });
  expect(steps[2]).toMatchObject({ state: "overdue", missing: ["contract_published"] });
  // Due only at the end of the sixth month.
  expect(steps[6]?.state).toBe("open");
  expect(steps.at(-1)).toMatchObject({ state: "open", period: "month 7 on" });
});

test("the roads and the definition of done name every check of a first model, and no road is due out of order", () => {
  const [first] = roads;
  expect(first?.steps.flatMap(({ by }) => by).toSorted()).toEqual(checkNames.toSorted());
  for (const { steps } of roads) {
    const due = steps.map(({ dueDay }) => dueDay ?? Number.POSITIVE_INFINITY);
    expect(due).toEqual(due.toSorted((a, b) => a - b));
  }
  expect(new Set(doneWhen.map(({ what }) => what)).size).toBe(doneWhen.length);
});

test.each([
  [10, undefined, "on_the_way", 10],
  [firstModelDays, undefined, "on_the_way", firstModelDays],
  [firstModelDays + 1, undefined, "overdue", firstModelDays + 1],
  [300, 90, "in_time", 90],
  [300, 200, "late", 200],
] as const)("after %i days, live after %s: %s", (age, live, verdict, days) => {
  const found = live === undefined ? {} : { endpoint: [record({ at: start + live * day })] };
  const of = facts({ now: start + age * day, found });
  expect(judgeFirstModel(of, byName(scoreReadiness(of)))).toMatchObject({ verdict, days });
});

const served: ServedFact = {
  endpoint: "churn",
  model: "churn",
  version: 2,
  deployedAt: now - day,
  origin: "trained",
  isPromoted: true,
  learnedFromViews: true,
  readsViews: true,
  cameByHand: false,
  requests: 10,
  isGpuFirst: false,
};
const counted = { drift_window: [record()] };
const verdicts = (change: Partial<ServedFact>, more: Partial<UseCaseFacts> = {}) =>
  Object.fromEntries(
    judgeRunning(facts({ served: [{ ...served, ...change }], found: counted, ...more })).map(
      ({ name, verdict }) => [name, verdict],
    ),
  );

test("what runs in order has none of the five anti-patterns; where nothing runs, none can be told", () => {
  expect(Object.values(verdicts({}))).toEqual(["absent", "absent", "absent", "absent", "absent"]);
  expect(judgeRunning(facts()).map(({ verdict }) => verdict)).toEqual([
    "open",
    "open",
    "open",
    "open",
    "open",
  ]);
});

test.each([
  ["notebook-as-api", { origin: "imported" }, {}],
  ["manual-promotion", { isPromoted: false }, {}],
  ["manual-promotion", { cameByHand: true }, {}],
  ["feature-divergence", { readsViews: false }, {}],
  ["system-metrics-only", {}, { found: {} }],
  ["system-metrics-only", {}, { found: { drift_window: [record({ at: now - freshMicros - 1 })] } }],
  ["gpu-over-provisioning", { isGpuFirst: true }, {}],
  ["gpu-over-provisioning", { isGpuFirst: true, cpuP95Micros: 50_000 }, {}],
] as const)("%s is found in %o %o, and alone", (name, change, more) => {
  const said = verdicts(change, more);
  expect(said[name]).toBe("found");
  expect(Object.values(said).filter((one) => one === "found")).toHaveLength(1);
});

test.each([
  ["gpu-over-provisioning", { isGpuFirst: true, cpuP95Micros: 50_001 }, "absent"],
  ["feature-divergence", { learnedFromViews: false, readsViews: false }, "open"],
  ["system-metrics-only", { requests: 0 }, "open"],
] as const)("%s with %o is %s", (name, change, verdict) => {
  expect(verdicts(change)[name]).toBe(verdict);
});

test("an imported version speaks for a notebook though another was trained here", () => {
  const both = judgeRunning(facts({ served: [served, { ...served, endpoint: "old", origin: "imported" }] }));
  expect(both[0]).toMatchObject({ verdict: "found", evidence: [{ id: "old: churn 2" }] });
});
