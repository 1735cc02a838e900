import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fillStep } from "./fill-step.ts";
import { responseTimes, stepsOfIncident, unfinishedSteps } from "./incident-record.ts";
import type { IncidentEntry, IncidentSummary } from "./incident-schema.ts";
import { playbookNames, playbooks, stepsOf } from "./playbooks.ts";

const minute = 60_000_000;
const incident: IncidentSummary = {
  id: "inc_1",
  title: "wrong fees",
  state: "open",
  playbook: "rollback",
  alertId: null,
  environment: "production",
  useCaseId: "uc_1",
  endpoint: "fees",
  model: null,
  version: null,
  apiKeyId: null,
  actorId: null,
  startedAt: 10 * minute,
  openedAt: 12 * minute,
  openedBy: "usr_1",
  takenBy: null,
  takenAt: null,
  mitigatedAt: null,
  resolvedAt: null,
  response: { takenMicros: null, mitigatedMicros: null, resolvedMicros: null },
};
const tick = (number: number, step: string, outcome: IncidentEntry["outcome"]): IncidentEntry => ({
  number,
  kind: "ticked",
  at: number * minute,
  by: "usr_2",
  text: "",
  step,
  outcome,
});

test("response times run from the beginning of the trouble, not from the opening of its record", () => {
  expect(responseTimes(incident)).toEqual({ takenMicros: null, mitigatedMicros: null, resolvedMicros: null });
  const taken = { ...incident, takenAt: 15 * minute };
  expect(responseTimes(taken)).toMatchObject({ takenMicros: 5 * minute, mitigatedMicros: null });
  const over = { ...taken, resolvedAt: 70 * minute };
  expect(responseTimes(over), "what nobody marked was mitigated when it was over").toEqual({
    takenMicros: 5 * minute,
    mitigatedMicros: 60 * minute,
    resolvedMicros: 60 * minute,
  });
  expect(responseTimes({ ...over, mitigatedAt: 40 * minute })).toMatchObject({
    mitigatedMicros: 30 * minute,
  });
});

test("a command is filled with what the incident knows; the rest is left in capitals", () => {
  const line =
    "portolan model verify {model} {version} --for {environment} --reason {incident} --from {since}";
  expect(fillStep(line, incident)).toBe(
    "portolan model verify MODEL VERSION --for production --reason inc_1 --from 1970-01-01T00:10:00Z",
  );
  expect(fillStep(line, { ...incident, model: "churn", version: "3" })).toContain("verify churn 3 --for");
});

test("whatever an endpoint is called, a shell reads one word, and the same one", () => {
  const names = fc.oneof(
    fc.constantFrom("$(id)", "a b", "it's", "`id`", "a;b", "a\nb", "-x", "--force", '"', "\\", "#a", "~", ""),
    fc.string({ minLength: 1, maxLength: 12 }).filter((text) => !text.includes("\0")),
  );
  const samples = fc.sample(names, { numRuns: 60, seed: 7 });
  const lines = samples.map((endpoint) => fillStep("{endpoint}", { ...incident, endpoint }));
  const script = lines.map((line) => `set -- ${line}; printf '%s:%s\\0' "$#" "$1"`).join("\n");
  const read = execFileSync("sh", ["-c", script]).toString().split("\0").slice(0, -1);
  expect(read).toEqual(samples.map((name) => `1:${name.startsWith("-") ? "VALUE" : name}`));
});

test("the last tick of a step counts; what failed or was not ticked is unfinished", () => {
  const entries = [
    tick(1, "first-mover", "done"),
    tick(2, "halt", "skipped"),
    tick(3, "rollback", "failed"),
    tick(4, "rollback", "done"),
    tick(5, "resume", "done"),
    tick(6, "resume", "failed"),
  ];
  const steps = stepsOfIncident(incident, entries);
  expect(steps.map(({ id, tick: last }) => [id, last?.outcome])).toEqual([
    ["first-mover", "done"],
    ["halt", "skipped"],
    ["rollback", "done"],
    ["resume", "failed"],
    ["recovered", undefined],
  ]);
  expect(unfinishedSteps({ steps })).toEqual(["resume", "recovered"]);
  expect(steps[2]?.command).toBe("portolan release rollback fees --environment production --reason inc_1");
});

test("after a leak the ledger is asked for the version alone, and what it does not have is said", () => {
  const step = stepsOf("model-leak").find(({ id }) => id === "downloads");
  expect(fillStep(step?.command ?? "", incident)).toBe(
    "portolan audit search --subject VERSION_ID --from 1970-01-01T00:10:00Z --limit 200",
  );
  expect(step?.text).toContain("Reads of its file are not on the ledger");
});

test("there are playbooks for what has to be stopped, taken back, revoked, erased and kept; ids of steps are unique in each", () => {
  expect(playbookNames).toEqual([
    "rollback",
    "revoke-access",
    "delete-data",
    "model-leak",
    "prompt-injection",
  ]);
  for (const name of playbookNames) {
    const ids = stepsOf(name).map(({ id }) => id);
    expect(new Set(ids).size, name).toBe(ids.length);
    expect(playbooks[name].steps.length, name).toBeGreaterThan(3);
  }
});
