import { readTemplate } from "@portolan/charter";
import { systemClock } from "@portolan/kernel";
import type { ReadinessDocument } from "@portolan/planner/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bootstrapAcme, must, putInForce } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";
import { rowsOf } from "./readiness-rows.ts";

const day = 86_400_000_000;
const now = systemClock.now();
let control: InProcessControl;
let place: { readonly organisationId: string; readonly useCaseId: string };

beforeAll(async () => {
  control = await openControl();
  place = await bootstrapAcme(control, control.secret);
});
afterAll(() => control.close());

async function read(
  who = "ada",
  environments?: Parameters<typeof control.token>[1],
): Promise<ReadinessDocument> {
  const token = await control.token(who, environments);
  const answer = await must(control, "GET", "/v1/use-cases/flight-delays/readiness", undefined, token);
  return answer as unknown as ReadinessDocument;
}

const checksOf = ({ dimensions }: ReadinessDocument) => dimensions.flatMap(({ checks }) => checks);
const idsOf = (judged: ReadinessDocument, name: string) =>
  checksOf(judged)
    .find((one) => one.name === name)
    ?.evidence.map(({ id }) => id);

test("before anything is done, only the team's roles speak for a use case", async () => {
  const judged = await read();
  expect(judged.firstModel).toMatchObject({ verdict: "on_the_way", days: 0 });
  expect(judged.environments).toEqual(["dev", "staging", "production"]);
  expect(
    checksOf(judged)
      .filter(({ state }) => state !== "missing")
      .map(({ name }) => name),
  ).toEqual(["access_narrow"]);
});

test("what is on record of a model in production is found, what is not its own or does not count is not, and the anti-patterns follow", async () => {
  const { charterId } = await putInForce(control, readTemplate("flight-delays"));
  const before = await read();
  await rowsOf(control, place, now).fill();
  const judged = await read();
  for (const [index, { score }] of before.dimensions.entries())
    expect(judged.dimensions[index]?.score).toBeGreaterThanOrEqual(score);
  const found = (name: string) => idsOf(judged, name);
  expect(found("charter_signed")).toEqual([charterId]);
  expect(found("data_published")).toEqual(["ds_1", "ds_2"]);
  expect(found("data_fresh")).toEqual(["ds_1"]);
  expect(found("training_reproducible")).toEqual(["run_1"]);
  expect(found("version_signed")).toEqual(["delays 1", "delays 2"]);
  expect(found("compute_measured")).toEqual(["delays 2"]);
  expect(found("gates_passed")).toEqual(["ev_2"]);
  expect(found("promoted")).toEqual(["delays 1", "delays 2"]);
  expect(found("approved_by_second")).toEqual(["rel_1", "delays 1", "delays 2"]);
  expect(found("explained")).toEqual(["prd_1"]);
  expect(found("audit_sealed")).toEqual(["checkpoint 7"]);
  // Of many the newest are shown, and the oldest dates it.
  expect(found("data_policies")).toEqual(["p1", "p2", "p3", "p4", "p5"]);
  expect(checksOf(judged).find(({ name }) => name === "data_policies")?.heldSince).toBe(now - 9 * day);
  expect(found("canary_passed")).toEqual(["rel_1"]);
  for (const name of ["endpoint_live", "features_served", "way_back", "load_seen", "retraining_policy"])
    expect([name, found(name)]).toEqual([name, ["delays"]]);
  expect(found("drift_counted")).toEqual(["delays"]);
  expect(found("answers_recorded")).toEqual(["delays"]);
  expect(found("outcomes_reported")).toEqual(["prd_1"]);
  expect(found("costs_compared")).toEqual(["2026-10", "2026-11"]);
  expect(judged.antiPatterns.map(({ verdict }) => verdict)).toEqual(
    Array.from({ length: 5 }, () => "absent"),
  );
  // Since its first window, not since the one of these days.
  expect(checksOf(judged).find(({ name }) => name === "drift_counted")?.heldSince).toBe(now - 40 * day);
});

test("a deployment beside every release, of what was imported, is an anti-pattern of what runs", async () => {
  const rows = rowsOf(control, place, now);
  await rows.version(3, "imported");
  await rows.deployment(3, 2, 1, "usr_lea");
  await control.database.session((session) =>
    session.query("update serving.endpoints set deployment_id = 'dep_3' where id = 'ep_1'", []),
  );
  const { antiPatterns } = await read();
  expect(antiPatterns.filter(({ verdict }) => verdict === "found").map(({ name }) => name)).toEqual([
    "notebook-as-api",
    "manual-promotion",
  ]);
});

test("a credential for dev is shown dev alone, and what one may not see is answered as what there is not", async () => {
  const judged = await read("ada", ["dev"]);
  expect(judged.environments).toEqual(["dev"]);
  expect(idsOf(judged, "data_published")).toEqual(["ds_2"]);
  expect(idsOf(judged, "endpoint_live")).toEqual([]);
  expect(judged.antiPatterns.every(({ verdict }) => verdict === "open")).toBe(true);
  const post = async (path: string, body: object) =>
    must(control, "POST", path, body, await control.token("ada"));
  await post("/v1/teams", { name: "crew", displayName: "Crew", businessUnit: "operations" });
  const scope = { kind: "team", id: "crew" };
  await post("/v1/role-bindings", {
    principal: "eve",
    role: "team_lead",
    scope,
    environments: ["production"],
  });
  const ask = async (useCase: string, who: string) =>
    control.call("GET", `/v1/use-cases/${useCase}/readiness`, undefined, await control.token(who));
  const [hidden, missing] = [await ask("flight-delays", "eve"), await ask("flight-delayz", "eve")];
  expect([hidden.status, missing.status]).toEqual([404, 404]);
  expect(String(hidden.body["detail"]).replace("delays", "delayz")).toBe(missing.body["detail"]);
});
