import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type EmbeddedPostgres,
  hasEmbeddedPostgres,
  startEmbeddedPostgres,
} from "@portolan/database/embedded";
import { newId, systemClock } from "@portolan/kernel";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { requirePython } from "../../../packages/training/test/trainer-fixture.ts";
import { type Acme, type Answer, bootstrapAcme, must } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";

const python = await requirePython();

/** Sleeps until it is told to stop, and leaves a checkpoint then; with one it ends at once. */
const sleeper = `import json, os, signal, sys
from pathlib import Path
kept = Path(os.environ["PORTOLAN_CHECKPOINT"]) / "state"
def stop(*_):
    kept.write_text("kept")
    sys.exit(1)
signal.signal(signal.SIGTERM, stop)
if not kept.exists():
    while True:
        signal.pause()
output = Path(os.environ["PORTOLAN_OUTPUT"])
(output / "model.onnx").write_bytes(b"whole")
(output / "metrics.json").write_text(json.dumps({"kept": 1}))
`;
const quotas = `version: 1
idle: { grace: 500ms, window: 1s, notice: 3s, longestKeep: 1h }
businessUnits:
  - name: operations
    teams:
      - { name: network-planning, quotas: { cpu: 2 } }
`;

type Stand = {
  readonly state: string;
  readonly queue: {
    readonly state: string;
    readonly says: string;
    readonly idle?: {
      readonly notice?: { readonly at: number; readonly stopAt: number };
      readonly kept?: object;
      readonly stopped?: { readonly freed: readonly string[]; readonly wastedCpuSeconds: number };
    };
  };
  readonly work: { readonly attempts: readonly { readonly ending?: string; readonly reason?: string }[] };
};

describe.skipIf(python === undefined || !hasEmbeddedPostgres())("a trainer that sleeps", () => {
  let folder: string;
  let postgres: EmbeddedPostgres;
  let control: InProcessControl;
  let acme: Acme;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "portolan-idle-"));
    postgres = await startEmbeddedPostgres({ folder });
    control = await openControl({}, postgres.url);
    control.lookAtTrainersEvery(300);
    acme = await bootstrapAcme(control, control.secret);
    const body = { file: "quotas.yaml", quotas };
    await must(control, "PUT", "/v1/quotas", body, await control.token("ada"));
  });
  afterAll(async () => {
    await control.close();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const call = async (method: "GET" | "POST", path: string, body?: object, as = "sam"): Promise<Answer> =>
    control.call(method, path, body, await control.token(as));
  const standOf = async (id: string) =>
    (await call("GET", `/v1/training-runs/${id}`)).body as unknown as Stand;
  async function until(id: string, is: (stand: Stand) => boolean): Promise<Stand> {
    for (let waited = 0; ; waited += 50) {
      const stand = await standOf(id);
      if (is(stand)) return stand;
      if (waited > 60_000 || stand.state === "failed") throw new Error(JSON.stringify(stand));
      await sleep(50);
    }
  }
  const ledgerOf = (id: string) =>
    control.database.session((session) =>
      session.query<{ event: string; said: string }>(
        "select event, convert_from(payload, 'utf8') as said from ledger.rows where subject = $1 and event like 'capacity.idle.%' order by at, id",
        [id],
      ),
    );
  /** Starts one on rows of which its program reads nothing. */
  async function start(): Promise<string> {
    const { organisationId, useCaseId } = acme;
    const place = { environment: "dev", useCaseId };
    const set = newId("trainingSet", systemClock.now());
    const manifest = {
      object: await control.objects.put(Buffer.from("rows")),
      features: ["wait"],
      label: "long",
    };
    await control.database.session((session) =>
      session.query(
        `insert into features.training_sets (id, organisation_id, environment, use_case_id, request, state, manifest, started_by, started_at)
         values ($1, $2, 'dev', $3, '{}', 'ready', $4, 'x', 1)`,
        [set, organisationId, useCaseId, JSON.stringify(manifest)],
      ),
    );
    const token = await control.token("sam");
    const upload = `/v1/artifacts?${new URLSearchParams(place).toString()}`;
    const [code, lock] = [
      await must(control, "POST", upload, Buffer.from(sleeper), token),
      await must(control, "POST", upload, Buffer.from("# nothing\n"), token),
    ];
    const locks = { [python?.minor ?? ""]: lock["digest"] };
    const asked = { ...place, trainingSetId: set, code: code["digest"], locks, params: {}, seed: 7 };
    const body = { ...asked, resources: { cpu: "2" } };
    return String((await must(control, "POST", "/v1/training-runs", body, token))["id"]);
  }

  test("is told, kept while somebody has it kept, then told again and stopped with its checkpoint; it comes back by a person's word alone", async () => {
    const run = await start();
    const worker = await control.startJobs();
    const early = await call("POST", `/v1/queue/${run}/resumption`, {});
    expect([early.status, early.body["code"]]).toEqual([409, "capacity.not_stopped"]);
    const told = await until(run, ({ queue }) => queue.idle?.notice !== undefined);
    expect(told.queue.says).toMatch(/^runs, and used \d+(\.\d)? % of 2 CPU since .*: it is stopped at /);
    const { items } = (await call("GET", "/v1/queue")).body as { items: readonly object[] };
    expect(items).toMatchObject([{ id: run, queue: { idle: told.queue.idle } }]);
    const keep = (body: object, as?: string) => call("POST", `/v1/queue/${run}/keep`, body, as);
    const reason = "a debugger waits in it";
    const kept = await keep({ forSeconds: 1, reason });
    expect([kept.status, kept.body]).toMatchObject([200, { state: "running", idle: { kept: { reason } } }]);
    expect(kept.body["says"]).toContain("and is kept until");
    // Who may read it may not keep it.
    expect((await keep({ forSeconds: 2, reason }, "ann")).status).toBe(403);
    expect((await keep({ forSeconds: 3_601, reason })).body["code"]).toBe("capacity.keep_too_long");
    expect((await keep({ forSeconds: 2, reason: "    " })).status).toBe(400);
    const again = await until(run, ({ queue }) => queue.idle?.notice !== undefined);
    const { kept: was } = (kept.body as { idle: { kept: { until: number } } }).idle;
    // What it was told first is over; a window came after what it was kept for, and the whole notice comes again.
    expect(again.queue.idle?.notice?.at).toBeGreaterThan(was.until + 1_000_000);
    expect(again.queue.idle?.notice?.stopAt).toBeGreaterThan(told.queue.idle?.notice?.stopAt ?? 0);
    const status = async () =>
      ((await call("GET", "/v1/pool-status", undefined, "lea")).body as { teams: readonly object[] }).teams;
    expect(await status()).toMatchObject([{ running: 1, idle: 1, stopped: 0 }]);
    const alerts = async (): Promise<unknown> => {
      await control.watchAlerts();
      const { body } = await call("GET", "/v1/alerts?environment=dev", undefined, "lea");
      return body["alerts"];
    };
    const alert = { kind: "idle", endpoint: run, useCaseId: acme.useCaseId };
    expect(await alerts()).toMatchObject([{ ...alert, state: "open" }]);

    const stopped = await until(run, ({ queue }) => queue.state === "stopped");
    expect(stopped).toMatchObject({
      state: "waiting",
      queue: { idle: { stopped: { freed: ["2 CPU"] } } },
      work: { attempts: [{ ending: "idle" }] },
    });
    expect(await alerts()).toMatchObject([{ ...alert, state: "resolved" }]);
    // Four seconds and more of two cores, of which it used next to nothing.
    expect(stopped.queue.idle?.stopped?.wastedCpuSeconds).toBeGreaterThan(7);
    expect(stopped.queue.says).toContain(`waits for portolan job resume ${run}`);
    expect(await status()).toMatchObject([{ running: 0, idle: 0, stopped: 1, waiting: 0 }]);
    expect((await keep({ forSeconds: 1, reason })).body["code"]).toBe("capacity.not_kept");
    await worker.stop();
    const later = await control.startJobs();
    onTestFinished(() => later.stop());
    await sleep(300);
    expect((await standOf(run)).queue.state).toBe("stopped");

    expect((await call("POST", `/v1/queue/${run}/resumption`, {}, "ann")).status).toBe(403);
    const resumed = await call("POST", `/v1/queue/${run}/resumption`, {});
    expect([resumed.status, resumed.body]).toMatchObject([200, { state: "admitted" }]);
    // Its program ends where it finds the checkpoint.
    expect((await until(run, ({ state }) => state === "succeeded")).queue.idle).toBeUndefined();
    const rows = await ledgerOf(run);
    expect(rows.map(({ event }) => event.slice("capacity.idle.".length))).toEqual([
      "noticed",
      "kept",
      "noticed",
      "stopped",
      "resumed",
    ]);
    expect(rows[1]?.said).toContain(reason);
    expect(rows[3]?.said).toContain('"freed":["2 CPU"]');
  });
});
