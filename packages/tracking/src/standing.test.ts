import { expect, test } from "vitest";
import { experimentIdOf, parseExperimentId } from "./experiment-id.ts";
import type { TrackedRun } from "./ports.ts";
import { standingOf } from "./read-run.ts";

const run = (state: TrackedRun["state"], finishedAt?: number): TrackedRun => ({
  id: "run_1",
  origin: "trainer",
  startedBy: "usr_1",
  environment: "dev",
  state,
  startedAt: 1_000_000,
  ...(finishedAt === undefined ? {} : { finishedAt }),
});

test("while a run is open its trainer's word counts, once it has settled the platform's does", () => {
  const silent = { status: null, endMs: null };
  const done = { status: "FINISHED", endMs: 7 } as const;
  expect(standingOf(run("waiting"), silent)).toEqual({ status: "SCHEDULED" });
  expect(standingOf(run("running"), silent)).toEqual({ status: "RUNNING" });
  expect(standingOf(run("running"), done)).toEqual({ status: "FINISHED", endMs: 7 });
  expect(standingOf(run("succeeded", 9_000_999), done)).toEqual({ status: "FINISHED", endMs: 9_000 });
  expect(standingOf(run("failed", 9_000_000), done)).toEqual({ status: "FAILED", endMs: 9_000 });
  expect(standingOf(run("cancelled", 9_000_000), silent)).toEqual({ status: "KILLED", endMs: 9_000 });
});

test("an experiment's id is read back, in letters that MLflow's clients take; that of another organisation is none", () => {
  const organisationId = `org_${"0".repeat(26)}`;
  for (const experiment of [
    { organisationId, environment: "dev" } as const,
    { organisationId, environment: "production", useCaseId: `uc_${"1".repeat(26)}` } as const,
  ]) {
    const id = experimentIdOf(experiment);
    expect(id).toMatch(/^[a-zA-Z0-9][\w-]{0,63}$/);
    expect(parseExperimentId(organisationId, id)).toEqual(experiment);
  }
  for (const id of ["0", "", "-dev", "uc_1", "uc_1-test", `org_${"1".repeat(26)}-dev`])
    expect(parseExperimentId(organisationId, id)).toBeUndefined();
});
