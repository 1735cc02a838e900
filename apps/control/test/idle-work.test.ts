import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type EmbeddedPostgres,
  hasEmbeddedPostgres,
  startEmbeddedPostgres,
} from "@portolan/database/embedded";
import { newId, systemClock } from "@portolan/kernel";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { requirePython } from "../../../packages/training/test/trainer-fixture.ts";
import { runCli } from "../../cli/src/program.ts";
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
const quotas = (notice: string) => `version: 1
idle: { grace: 500ms, window: 1s, notice: ${notice}, longestKeep: 1h }
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
      readonly kept?: { readonly until: number };
      readonly stopped?: {
        readonly at: number;
        readonly since: number;
        readonly freed: readonly string[];
        readonly wastedCpuSeconds: number;
      };
    };
  };
  readonly work: { readonly attempts: readonly { readonly ending?: string; readonly reason?: string }[] };
};

describe.skipIf(python === undefined || !hasEmbeddedPostgres())("a trainer that sleeps", () => {
  let folder: string;
  let postgres: EmbeddedPostgres;
  let control: InProcessControl;
  let acme: Acme;
  let url: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "portolan-idle-"));
    postgres = await startEmbeddedPostgres({ folder });
    control = await openControl({}, postgres.url);
    control.lookAtWorkEvery(300);
    acme = await bootstrapAcme(control, control.secret);
    url = await control.listen();
  });
  async function apply(notice: string): Promise<void> {
    const body = { file: "quotas.yaml", quotas: quotas(notice) };
    await must(control, "PUT", "/v1/quotas", body, await control.token("ada"));
  }
  afterAll(async () => {
    await control.close();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const call = async (method: "GET" | "POST", path: string, body?: object, as = "sam"): Promise<Answer> =>
    control.call(method, path, body, await control.token(as));
  /** The command line, as one of them. */
  async function cli(as: string, ...args: string[]): Promise<string> {
    let [out, err] = ["", ""];
    const env = { PORTOLAN_URL: url, PORTOLAN_TOKEN: await control.token(as) };
    await runCli(args, {
      environment: { cwd: folder, env, root: resolve(import.meta.dirname, "../../..") },
      streams: { out: { write: (text) => (out += text) }, err: { write: (text) => (err += text) } },
    });
    return out + err;
  }
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
    // Long enough for all that is asked of it meanwhile.
    await apply("1min");
    const run = await start();
    const worker = await control.startJobs();
    const early = await call("POST", `/v1/queue/${run}/resumption`, {});
    expect([early.status, early.body["code"]]).toEqual([409, "capacity.not_stopped"]);
    const told = await until(run, ({ queue }) => queue.idle?.notice !== undefined);
    expect(told.queue.says).toMatch(/^runs, and used \d+(\.\d)? % of 2 CPU since .*: it is stopped at /);
    expect(await cli("sam", "job", "list")).toMatch(new RegExp(`${run} .* idle, stopped at 20`));
    expect(await cli("lea", "pool", "status")).toContain("1 running (1 idle), 0 waiting");
    const alerts = async (): Promise<unknown> => {
      await control.watchAlerts();
      const { body } = await call("GET", "/v1/alerts?environment=dev", undefined, "lea");
      return body["alerts"];
    };
    const alert = { kind: "idle", endpoint: run, useCaseId: acme.useCaseId };
    expect(await alerts()).toMatchObject([{ ...alert, state: "open" }]);

    const keep = (body: object, as?: string) => call("POST", `/v1/queue/${run}/keep`, body, as);
    const reason = "a debugger waits in it";
    // Who may read it may not keep it.
    expect((await keep({ forSeconds: 1, reason }, "ann")).status).toBe(403);
    expect((await keep({ forSeconds: 3_601, reason })).body["code"]).toBe("capacity.keep_too_long");
    expect((await keep({ forSeconds: 1, reason: "    " })).status).toBe(400);
    const kept = JSON.parse(
      await cli("sam", "job", "keep", run, "--for", "2s", "--reason", reason, "--json"),
    ) as Stand["queue"];
    expect(kept).toMatchObject({ state: "running", idle: { kept: { reason } } });
    expect(kept.says).toContain("and is kept until");
    expect(kept.idle?.notice).toBeUndefined();
    await apply("1s");

    const stopped = await until(run, ({ queue }) => queue.state === "stopped");
    expect(stopped).toMatchObject({
      state: "waiting",
      queue: { idle: { stopped: { freed: ["2 CPU"] } } },
      work: { attempts: [{ ending: "idle" }] },
    });
    expect(await alerts()).toMatchObject([{ ...alert, state: "resolved" }]);
    // A window and a notice of its own came after what it was kept for.
    const { since = 0, at = 0, wastedCpuSeconds } = stopped.queue.idle?.stopped ?? {};
    expect(since).toBeGreaterThanOrEqual(kept.idle?.kept?.until ?? Number.NaN);
    expect(at - since).toBeGreaterThanOrEqual(2_000_000);
    // Two seconds and more of two cores, of which it used next to nothing.
    expect(wastedCpuSeconds).toBeGreaterThan((1.9 * (at - since)) / 1e6);
    expect(await cli("sam", "job", "show", run)).toMatch(
      new RegExp(
        `^${run} was stopped at .*, for it used \\d+(\\.\\d)? % of 2 CPU since .*; that freed 2 CPU and had wasted .* CPU hours; it waits for portolan job resume ${run}\n`,
      ),
    );
    expect(await cli("lea", "pool", "status")).toContain("0 running, 0 waiting, 1 stopped for being idle");
    expect((await keep({ forSeconds: 1, reason })).body["code"]).toBe("capacity.not_kept");
    await worker.stop();
    const later = await control.startJobs();
    onTestFinished(() => later.stop());
    await sleep(300);
    expect((await standOf(run)).queue.state).toBe("stopped");

    expect((await call("POST", `/v1/queue/${run}/resumption`, {}, "ann")).status).toBe(403);
    // On a machine that is busy elsewhere what goes on may be slow enough to be told again: it has time then.
    await apply("1h");
    expect(await cli("sam", "job", "resume", run)).toContain(`${run} has its part of the quota`);
    // Its program ends where it finds the checkpoint.
    expect((await until(run, ({ state }) => state === "succeeded")).queue.idle).toBeUndefined();
    // A machine that is busy elsewhere may leave a gap, and a notice is withdrawn then.
    const rows = (await ledgerOf(run)).filter(({ event }) => event !== "capacity.idle.withdrawn");
    expect([...new Set(rows.map(({ event }) => event.slice("capacity.idle.".length)))]).toEqual([
      "noticed",
      "kept",
      "stopped",
      "resumed",
    ]);
    expect(rows.filter(({ event }) => event === "capacity.idle.noticed").length).toBeGreaterThan(1);
    expect(rows.find(({ event }) => event === "capacity.idle.kept")?.said).toContain(reason);
    const stop = rows.find(({ event }) => event === "capacity.idle.stopped");
    expect(stop?.said).toContain('"freed":["2 CPU"]');
  });
});
