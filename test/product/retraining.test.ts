import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Id } from "@portolan/kernel";
import type { Retraining, RetrainingReport } from "@portolan/retraining/contract";
import type { Release } from "@portolan/rollout/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandResult, runPortolan } from "../../apps/cli/test/product.ts";
import { requirePython } from "../../packages/training/test/trainer-fixture.ts";
import { endpoint, model, openRetrainingWorld, type RetrainingWorld } from "./retraining-world.ts";

const python = await requirePython();

/** The whole road with its real parts: a trainer, the scorer, gates, signatures, a release. Each test goes on where the one before stopped. */
describe.skipIf(python === undefined)("retraining", () => {
  let world: RetrainingWorld;
  let url: string;
  let id = "";
  const folder = mkdtempSync(join(tmpdir(), "portolan-retraining-"));

  beforeAll(async () => {
    world = await openRetrainingWorld(python?.minor ?? "");
    url = await world.control.listen();
  });
  afterAll(async () => {
    await world.control.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function portolan(persona: string, ...args: string[]): Promise<CommandResult> {
    const PORTOLAN_TOKEN = await world.control.token(persona);
    return runPortolan(["retrain", ...args], {
      PATH: process.env["PATH"],
      PORTOLAN_URL: url,
      PORTOLAN_TOKEN,
    });
  }
  /** What there is of everything that a retraining makes, and rows of the ledger that say so. */
  async function made(): Promise<unknown> {
    const counted = (table: string): string => `(select count(*)::int from ${table}) as "${table}"`;
    const tables = [
      "features.training_sets",
      "training.runs",
      "registry.versions",
      "registry.promotions",
      "evaluation.evaluations",
      "evaluation.comparisons",
      "rollout.releases",
    ];
    const rows = await world.control.database.session((session) =>
      session.query(`select ${tables.map(counted).join(", ")}`),
    );
    return rows[0];
  }

  test("what the charter says of the schedule starts it, unattended, and it comes as far as a person's approval", async () => {
    await world.control.retraining.watch();
    const [begun] = await world.list();
    expect(begun).toMatchObject({ state: "preparing", cause: { trigger: "schedule" } });
    id = begun?.id ?? "";
    const now = await world.until(id, "waiting_for_approval");
    expect(now, JSON.stringify(now)).toMatchObject({
      state: "waiting_for_approval",
      championVersion: 1,
      made: { version: 2 },
    });
    await world.control.retraining.watch();
    expect(await world.list()).toHaveLength(1);
    const body = { environment: "production", reason: "impatient" };
    const path = `/v1/endpoints/${endpoint}/retrainings`;
    const second = await world.control.call("POST", path, body, await world.control.token("lea"));
    expect([second.status, second.body["code"]]).toEqual([409, "retraining.already_running"]);
  });

  test("a process that dies between what a step did and its note makes nothing twice, whichever step it was", async () => {
    const before = await made();
    const first = await world.until(id, "waiting_for_approval");
    for (const state of ["building_sets", "training", "registering", "evaluating", "comparing", "staging"]) {
      await world.control.database.session((session) =>
        session.query("update retraining.retrainings set state = $1 where id = $2", [state, id]),
      );
      const again = await world.until(id, "waiting_for_approval");
      expect(again.made, state).toEqual(first.made);
    }
    expect(await made()).toEqual(before);
  });

  test("a lead's approval lets it go on to a release, whose end is its end", async () => {
    const refused = await portolan("sam", "approve", id);
    expect(refused.err).toContain("identity.forbidden");
    expect((await portolan("lea", "approve", endpoint)).out).toContain("waiting for approval");
    const releasing = await world.until(id, "releasing");
    expect(releasing).toMatchObject({ state: "releasing", approvedBy: expect.stringMatching(/^usr_/) });
    await world.control.retraining.steer();
    expect((await world.until(id, "releasing")).problem).toBeNull();
    await release();
    const ended = await world.until(id);
    expect(ended, JSON.stringify(ended)).toMatchObject({ state: "promoted", isOpen: false });
    const served = await world.get("ann", "/v1/endpoints");
    expect(JSON.stringify(served)).toContain(`"name":"${model}","version":2`);
  });

  /** Approved by two people, its canary answers as well as the champion, as gateways would count it. */
  async function release(): Promise<void> {
    const { made: ids } = await world.until(id, "releasing");
    for (const who of ["lea", "ron"])
      await world.post(who, `/v1/releases/${ids.releaseId ?? ""}/approvals`, {});
    const controller = world.control.releases.startController();
    try {
      for (let look = 0; look < 20; look++) {
        await controller.runOnce();
        await world.control.publish(world.acme.organisationId as Id<"organisation">);
        const now = (await world.get("ann", `/v1/releases/${ids.releaseId ?? ""}`)) as unknown as Release;
        if (now.state === "promoted" && now.isSettled) return;
        if (now.stepSince !== null)
          await world.control.database.session((session) =>
            session.query(
              `insert into rollout.counts (release_id, snapshot_version, arm, requests, errors, slow, fallbacks)
               select release_id, snapshot_version, arm, 1000, 0, 0, 0 from rollout.steps, (values ('candidate'), ('control')) as arms (arm)
               on conflict do nothing`,
            ),
          );
      }
      throw new Error(JSON.stringify(await world.get("ann", `/v1/releases/${ids.releaseId ?? ""}`)));
    } finally {
      await controller.stop();
    }
  }

  test("its evidence is one page", async () => {
    const report = JSON.parse((await portolan("ann", "report", id, "--json")).out) as RetrainingReport;
    expect(report).toMatchObject({
      retraining: { state: "promoted" },
      trainingSet: { state: "ready" },
      run: { state: "succeeded" },
      cost: { cores: 2, amount: expect.stringMatching(/^0\.\d+ [A-Z]{3}$/) as string },
      version: { version: 2, stages: ["production", "staging"] },
      evaluation: { heldOut: { shown: true } },
      comparison: { isBetter: true, champion: 1 },
      release: { state: "promoted" },
    });
    const out = join(folder, "report.html");
    expect((await portolan("ann", "report", endpoint, "--out", out)).code).toBe(0);
    const page = readFileSync(out, "utf8");
    for (const part of [
      report.version?.bundle,
      report.run?.id,
      `${report.cost?.amount ?? "no cost"}: `,
      "e-value of harm",
      "better-than-baseline",
      "schedule",
    ])
      expect(page).toContain(part);
    expect(report.cost?.workedMicros).toBeGreaterThan(0);
    expect(page).not.toContain("<script");
  });

  test("without anything new to learn from there is nothing to do, and the ledger tells all of it", async () => {
    const started = await portolan("lea", "start", endpoint, "--reason", "to be sure", "--json");
    const { id: second } = JSON.parse(started.out) as Retraining;
    const ended = await world.until(second);
    expect(ended).toMatchObject({ state: "nothing_to_do", championVersion: 2 });
    expect((await portolan("ann", "list")).out).toMatch(/nothing to do[\s\S]*promoted/);
    const events = await world.control.database.session((session) =>
      session.query<{ event: string }>("select event from ledger.rows where subject = $1 order by at", [id]),
    );
    const told = events.map(({ event }) => event.replace("retraining.run.", ""));
    expect([told[0], told.at(-1)]).toEqual(["started", "ended"]);
    expect(told).toContain("approved");
  });

  test("a budget that is used up keeps people back too, and only a lead states it", async () => {
    const set = ["policy", "set", endpoint, "--budget-hours", "0", "--pause"];
    expect((await portolan("max", ...set)).err).toContain("identity.forbidden");
    expect((await portolan("lea", ...set)).out).toContain("0 hours of training runs");
    const refused = await portolan("lea", "start", endpoint, "--reason", "once more");
    expect([refused.code, refused.err]).toEqual([
      1,
      expect.stringContaining("hours of its 0 within the period"),
    ]);
  });
});
