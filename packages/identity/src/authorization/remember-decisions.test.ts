import { expect, test } from "vitest";
import type { PrincipalFacts, ResourceFacts } from "./facts.ts";
import { createPolicyEngine } from "./policy-engine.ts";
import { rememberDecisions } from "./remember-decisions.ts";

const organisationId = "org_1";
const lead: PrincipalFacts = {
  kind: "user",
  id: "usr_1",
  organisationId,
  environments: ["dev", "production"],
  bindings: [{ role: "team_lead", scopeId: "team_1", environments: ["dev"] }],
};
const run: ResourceFacts = {
  type: "TrainingRun",
  id: "run_1",
  organisationId,
  teamId: "team_1",
  environment: "dev",
};

const policies = [
  {
    name: "purpose.cedar",
    text: '@id("only-for-audit")\n@description("Runs are read for audits alone.")\nforbid (principal, action == Portolan::Action::"training:read", resource) when { context has purpose && context.purpose == "marketing" };',
  },
];
const plain = createPolicyEngine("test/plain", policies);

/** The real engine, and how often it was asked. */
function counted(most?: number) {
  let asked = 0;
  const engine = rememberDecisions(
    {
      policies: plain.policies,
      decide: (...question) => {
        asked += 1;
        return plain.decide(...question);
      },
    },
    most,
  );
  return { engine, asked: () => asked };
}

test("the same question is decided once, and every fact of it makes it another one", () => {
  const { engine, asked } = counted();
  const questions: Parameters<typeof engine.decide>[] = [
    [lead, "training:read", run],
    [lead, "training:read", run, { purpose: "marketing" }],
    [lead, "training:read", run, { onBehalfOf: "somebody" }],
    [lead, "registry:promote", run],
    [lead, "training:read", { ...run, id: "run_2" }],
    [lead, "training:read", { ...run, environment: "production" }],
    [lead, "training:read", { ...run, teamId: "team_2" }],
    [lead, "training:read", { ...run, organisationId: "org_2" }],
    [lead, "training:read", { ...run, attributes: { risk: "high" } }],
    [{ ...lead, bindings: [] }, "training:read", run],
    [{ ...lead, environments: ["production"] }, "training:read", run],
    [{ ...lead, scopes: ["registry:read"] }, "training:read", run],
    [{ ...lead, kind: "service_account" }, "training:read", run],
  ];
  const first = questions.map((question) => engine.decide(...question));
  expect(first).toEqual(questions.map((question) => plain.decide(...question)));
  expect(new Set(first.map(({ allowed }) => allowed)).size).toBe(2);
  expect(asked()).toBe(questions.length);
  expect(questions.map((question) => engine.decide(...question))).toEqual(first);
  expect(asked()).toBe(questions.length);
});

test("no more are kept than was said; the one that was asked for longest ago goes first", () => {
  const { engine, asked } = counted(2);
  const ask = (id: string) => engine.decide(lead, "training:read", { ...run, id });
  for (const id of ["a", "b", "a", "c", "a"]) ask(id);
  expect(asked()).toBe(3);
  ask("b");
  expect(asked()).toBe(4);
});
