import { formatInstant, microsPerSecond, PortolanError } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { approveRetraining, cancelRetraining } from "../src/change-retraining.ts";
import type { Retraining, RetrainingPolicy } from "../src/contract.ts";
import { retrainingsOver, watchEndpoints } from "../src/index.ts";
import { readRetrainings } from "../src/read-retrainings.ts";
import { readPolicy, setPolicy } from "../src/set-policy.ts";
import { startRetraining } from "../src/start-retraining.ts";
import {
  clock,
  db,
  deps,
  elsewhere,
  ends,
  lead,
  openRetrainingWorld,
  restart,
  settled,
  setUp,
} from "./retraining-world.ts";

openRetrainingWorld();

const hourMicros = 3600 * microsPerSecond;

async function start(): Promise<string> {
  const { endpoint, environment } = elsewhere.champion;
  return (await startRetraining(deps, lead(), endpoint, { environment, reason: "to see" })).id;
}
async function policy(stated: RetrainingPolicy) {
  const { endpoint, environment } = elsewhere.champion;
  return setPolicy(deps, lead(), endpoint, environment, stated);
}
/** A retraining without an approval, as far as it goes. */
async function ended(): Promise<Retraining> {
  await policy({ approval: "none" });
  return settled(await start());
}
/** Events of the ledger's rows about a subject, by name. */
async function eventsOf(subject: string): Promise<string[]> {
  const rows = await db.database.session((session) =>
    session.query<{ event: string }>("select event from ledger.rows where subject = $1 order by event", [
      subject,
    ]),
  );
  return rows.map(({ event }) => event);
}
const all = () => readRetrainings(deps, lead(), { endpoint: elsewhere.champion.endpoint });

describe("how a retraining ends", () => {
  test("promoted: through staging, after its gates, by a release in the name of who asked", async () => {
    const { id, made, ...over } = await ended();
    expect(over).toMatchObject({ state: "promoted", isOpen: false });
    expect(made).toMatchObject({ version: 2 });
    expect(ends).toEqual([{ id, version: 2 }]);
    const found = (versionId: string) =>
      db.uow.read(lead(), (sql) => retrainingsOver(sql, lead().actor.organisationId, versionId));
    expect((await found(made.versionId ?? "")).map((one) => one.id)).toContain(id);
    expect(await found("mv_none")).toEqual([]);
    expect(elsewhere.told.slice(2)).toEqual([
      "run",
      "register",
      "evaluate",
      "compare",
      "promote 2 staging",
      "promote 2 production",
      "release usr_lea",
    ]);
  });

  test("outside production it is promoted where its endpoint is, and nowhere else", async () => {
    setUp("staging");
    expect(await ended()).toMatchObject({ state: "promoted" });
    expect(elsewhere.told.filter((one) => one.startsWith("promote"))).toEqual(["promote 2 staging"]);
  });

  test.each(["rolled_back", "inconclusive", "superseded"] as const)(
    "%s: as its release did, and the registry names the champion again",
    async (state) => {
      elsewhere.releaseState = state;
      expect(await ended()).toMatchObject({ state, reasons: ["so it went"] });
      expect(elsewhere.told.at(-1)).toBe("promote 1 production");
    },
  );

  test("not better: nothing is promoted", async () => {
    elsewhere.isBetter = false;
    expect(await ended()).toMatchObject({ state: "not_better" });
    expect(elsewhere.told.at(-1)).toBe("compare");
  });

  test("not better: the champion's own bytes are not registered again", async () => {
    const { recipe } = elsewhere;
    elsewhere.model = recipe.kind === "found" ? recipe.recipe.artifact : "";
    expect(await ended()).toMatchObject({ state: "not_better" });
    expect(elsewhere.told.at(-1)).toBe("run");
  });

  test("refused by gates: with each gate that stands against it", async () => {
    elsewhere.blocked = [{ gate: "accuracy", passed: false, observed: "0.5", required: "0.6" }];
    expect(await ended()).toMatchObject({
      state: "refused_by_gates",
      reasons: ["accuracy: 0.5, where 0.6 is required"],
    });
  });

  test("nothing to do: no row is newer", async () => {
    elsewhere.newestEvent = 10 * 86_400 * microsPerSecond - 1;
    expect(await ended()).toMatchObject({ state: "nothing_to_do" });
    expect(elsewhere.told).toEqual([]);
    expect(ends).toEqual([]);
  });

  test("failed: a trainer that fails, a champion that was not trained here, and a step that never succeeds", async () => {
    elsewhere.runState = "failed";
    expect(await ended()).toMatchObject({ state: "failed" });
    elsewhere.recipe = { kind: "missing", because: "it was imported" };
    expect(await ended()).toMatchObject({ state: "failed", reasons: ["it was imported"] });
  });

  test("a step that fails is tried again, and given up after five times; what was promoted by then is taken back", async () => {
    elsewhere.faults.set("compare", 4);
    expect(await ended()).toMatchObject({ state: "promoted" });
    setUp("production");
    elsewhere.champion = { ...elsewhere.champion, endpoint: "other", useCaseId: "uc_other" };
    elsewhere.faults.set("release", 5);
    expect(await ended()).toMatchObject({
      state: "failed",
      reasons: ["releasing: release is out of order"],
    });
    expect(elsewhere.told.at(-1)).toBe("promote 1 production");
  });

  test("superseded: somebody deployed another version before its release began", async () => {
    await policy({ approval: "team_lead" });
    const id = await start();
    expect(await settled(id)).toMatchObject({ state: "waiting_for_approval" });
    elsewhere.champion = { ...elsewhere.champion, version: 7 };
    await approveRetraining(deps, lead("usr_ron"), id);
    expect(await settled(id)).toMatchObject({ state: "superseded" });
    expect(elsewhere.told.at(-1)).toBe("promote 2 staging");
  });

  test("superseded: what somebody promoted and deployed while it was to be released stays", async () => {
    elsewhere.releaseState = "running";
    await policy({ approval: "none" });
    const id = await start();
    await settled(id);
    elsewhere.champion = { ...elsewhere.champion, version: 7 };
    await cancelRetraining(deps, lead(), id, "another one is out");
    expect(await settled(id)).toMatchObject({ state: "rolled_back" });
    expect(elsewhere.told.at(-1)).toBe("promote 7 production");
  });
});

describe("people", () => {
  test("whoever asked does not approve, nobody approves twice, and what ended is not cancelled", async () => {
    const id = await start();
    await settled(id);
    await expect(approveRetraining(deps, lead(), id)).rejects.toMatchObject({
      code: "retraining.not_approver",
    });
    await approveRetraining(deps, lead("usr_ron"), id);
    await expect(approveRetraining(deps, lead("usr_ann"), id)).rejects.toMatchObject({
      code: "retraining.wrong_state",
    });
    expect(await settled(id)).toMatchObject({ state: "promoted", approvedBy: "usr_ron" });
    await expect(cancelRetraining(deps, lead(), id, "late")).rejects.toMatchObject({
      code: "retraining.wrong_state",
    });
  });

  test("a cancelled one stops what runs; in its release it is rolled back", async () => {
    const waiting = await start();
    await settled(waiting);
    expect(await cancelRetraining(deps, lead(), waiting, "no")).toMatchObject({ state: "cancelled" });
    expect(elsewhere.told.at(-1)).toBe("cancel-run");
    elsewhere.releaseState = "running";
    await policy({ approval: "none" });
    const releasing = await start();
    expect(await settled(releasing)).toMatchObject({ state: "releasing" });
    await cancelRetraining(deps, lead(), releasing, "support tickets");
    expect(await settled(releasing)).toMatchObject({ state: "rolled_back" });
  });

  test("runs that are allowed and permits hold for people too, and one of a use case runs at a time", async () => {
    await policy({ mostRuns: 1 });
    const id = await start();
    elsewhere.permitted = true;
    await expect(start()).rejects.toMatchObject({ code: "retraining.not_permitted" });
    await policy({ mostRuns: 9 });
    await expect(start()).rejects.toMatchObject({ code: "retraining.already_running" });
    await cancelRetraining(deps, lead(), id, "no");
    elsewhere.permitted = false;
    await expect(start()).rejects.toMatchObject({ detail: "Not now: the budget is spent." });
    expect(elsewhere.budgets.at(-1)).toEqual({});
  });

  test("a policy with windows that could say both is refused", async () => {
    await expect(policy({ windows: { of: 4, least: 2 } })).rejects.toMatchObject({
      code: "retraining.policy_refused",
    });
  });
});

describe("without anybody asking", () => {
  const every = { everyHours: 24, approval: "none" } as const;

  test("a schedule starts one when it is time, not before, and not again within the cool-down", async () => {
    await policy(every);
    await watchEndpoints(deps);
    expect(await all()).toEqual([]);
    clock.advance(24 * hourMicros);
    await watchEndpoints(deps);
    await watchEndpoints(deps);
    const [begun, ...others] = await all();
    expect(others).toEqual([]);
    expect(begun).toMatchObject({ cause: { trigger: "schedule" }, requestedBy: "retraining-controller" });
    await settled(begun?.id ?? "");
    expect(elsewhere.told.at(-1)).toBe("release control");
    clock.advance(23 * hourMicros);
    await watchEndpoints(deps);
    expect(await all()).toHaveLength(1);
    clock.advance(2 * hourMicros);
    await watchEndpoints(deps);
    expect(await all()).toHaveLength(2);
  });

  test("outside production only people begin one", async () => {
    setUp("staging");
    await policy(every);
    clock.advance(25 * hourMicros);
    await watchEndpoints(deps);
    expect(await all()).toEqual([]);
  });

  test("drift starts nothing by a policy, paused or not; and an incident is kept by one ledger row", async () => {
    await policy({ onDrift: "with_harm" });
    elsewhere.drift = "drift";
    for (let look = 0; look < 3; look++) await watchEndpoints(deps);
    elsewhere.drift = "unclear";
    restart();
    await watchEndpoints(deps);
    expect(await all()).toEqual([]);
    const { endpoint, environment } = elsewhere.champion;
    const view = await readPolicy(deps, lead(), endpoint, environment);
    expect(view.incidents).toMatchObject([{ kind: "drift", evidence: { inputs: "drift" } }]);
    const subject = `${environment}/${endpoint}`;
    expect(await eventsOf(subject)).toEqual(["retraining.incident.opened", "retraining.policy.set"]);
  });

  test("concept drift starts one where the policy says so, with its rates as evidence, and only then", async () => {
    elsewhere.hasConceptDrift = true;
    await policy({ onDrift: "with_harm" });
    await watchEndpoints(deps);
    expect(await all()).toEqual([]);
    await policy({ onConceptDrift: true });
    for (let look = 0; look < 2; look++) await watchEndpoints(deps);
    expect(await all()).toMatchObject([
      { cause: { trigger: "concept_drift", evidence: { wrongRecently: 0.25 } } },
    ]);
  });

  test("a trigger that there is no room for makes nothing, says why and since when, and goes on by itself; words alone are no news", async () => {
    const { endpoint } = elsewhere.champion;
    const held = () => eventsOf(`production/${endpoint}`);
    const holdOf = async () => (await readPolicy(deps, lead(), endpoint, "production")).hold;
    await policy(every);
    expect(await holdOf()).toBeNull();
    clock.advance(24 * hourMicros);
    elsewhere.permitted = false;
    elsewhere.becauseNot = "5 of 5 USD is spent";
    const since = clock.now();
    await watchEndpoints(deps);
    clock.advance(hourMicros);
    elsewhere.becauseNot = "6 of 5 USD is spent";
    await watchEndpoints(deps);
    const because = "6 of 5 USD is spent";
    expect(await holdOf()).toEqual({ trigger: "schedule", by: ["charter_budget"], because, since });
    expect(elsewhere.told).toEqual([]);
    expect(await all()).toEqual([]);
    expect((await held()).filter((event) => event.startsWith("retraining.trigger"))).toEqual([
      "retraining.trigger.held",
    ]);
    elsewhere.permitted = true;
    await watchEndpoints(deps);
    const [begun] = await all();
    expect(begun?.cause.evidence).toMatchObject({ heldSince: formatInstant(since) });
    expect(await holdOf()).toBeNull();
  });

  test("a trigger that waits and would start nothing any more is told of once", async () => {
    const { endpoint } = elsewhere.champion;
    await policy(every);
    clock.advance(24 * hourMicros);
    elsewhere.permitted = false;
    await watchEndpoints(deps);
    await policy({ ...every, everyHours: 9000 });
    for (let look = 0; look < 2; look++) await watchEndpoints(deps);
    expect((await eventsOf(`production/${endpoint}`)).filter((event) => event.includes("trigger"))).toEqual([
      "retraining.trigger.held",
      "retraining.trigger.lapsed",
    ]);
    expect((await readPolicy(deps, lead(), endpoint, "production")).hold).toBeNull();
  });

  test("a trigger that stands waits on through a pause, one that is under way and a cool-down, and lapses with what began it", async () => {
    const { endpoint } = elsewhere.champion;
    const waitsFor = async () => {
      await watchEndpoints(deps);
      return (await readPolicy(deps, lead(), endpoint, "production")).hold?.by;
    };
    elsewhere.hasConceptDrift = true;
    elsewhere.permitted = false;
    await policy({ onConceptDrift: true });
    expect(await waitsFor()).toEqual(["charter_budget"]);
    const since = clock.now();
    elsewhere.permitted = true;
    await policy({ onConceptDrift: true, isPaused: true });
    clock.advance(hourMicros);
    expect(await waitsFor()).toEqual(["paused"]);
    await policy({ onConceptDrift: true, mostRuns: 1 });
    expect(await waitsFor()).toBeUndefined();
    const [begun] = await all();
    expect(begun?.cause.evidence).toMatchObject({ heldSince: formatInstant(since) });
    expect(await waitsFor()).toEqual(["under_way"]);
    await cancelRetraining(deps, lead(), begun?.id ?? "", "no");
    expect(await waitsFor()).toEqual(["cool_down"]);
    clock.advance(25 * hourMicros);
    expect(await waitsFor()).toEqual(["starts"]);
    const told = async () =>
      (await eventsOf(`production/${endpoint}`)).filter((event) => event.startsWith("retraining.trigger"));
    expect(await told()).not.toContain("retraining.trigger.lapsed");
    elsewhere.hasConceptDrift = false;
    expect(await waitsFor()).toBeUndefined();
    expect((await told()).filter((event) => event === "retraining.trigger.lapsed")).toHaveLength(1);
  });

  test("money that was spent while the sets were built keeps what is made: the run is started when there is some", async () => {
    await policy({ approval: "none" });
    const refusal = new PortolanError("metering.budget_exhausted" as never, { detail: "5 of 5 USD" });
    const { runs } = deps;
    let isSpent = true;
    let tries = 0;
    const begin: typeof runs.start = async (...of) => {
      tries += 1;
      if (isSpent) throw refusal;
      await runs.start(...of);
    };
    Object.assign(deps, { runs: { ...runs, start: begin } });
    restart();
    const id = await start();
    expect(await settled(id)).toMatchObject({
      state: "training",
      problem: null,
      reasons: ["the training run waits to be started: 5 of 5 USD"],
    });
    expect(tries).toBeGreaterThan(5);
    isSpent = false;
    expect(await settled(id)).toMatchObject({ state: "promoted" });
  });

  test("a version that is imported, and an endpoint of which nothing is said, are left alone", async () => {
    clock.advance(1000 * hourMicros);
    await watchEndpoints(deps);
    await policy(every);
    elsewhere.recipe = { kind: "missing", because: "it was imported" };
    await watchEndpoints(deps);
    expect(await all()).toEqual([]);
  });
});
