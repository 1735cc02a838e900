import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type EmbeddedPostgres,
  hasEmbeddedPostgres,
  startEmbeddedPostgres,
} from "@portolan/database/embedded";
import { logisticModel } from "@portolan/onnx-format/testing";
import { processTree } from "@portolan/sandbox";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { must } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";
import { prepareScoring, type ScoringWorld } from "./scoring-world.ts";

const quotas = (notice: string) => `version: 1
idle: { grace: 500ms, window: 2s, notice: ${notice}, longestKeep: 1h }
businessUnits:
  - name: operations
    teams:
      - { name: network-planning, quotas: { cpu: 2 } }
`;

interface Stand {
  readonly state: string;
  readonly queue?: {
    readonly state: string;
    readonly says: string;
    readonly idle?: { readonly notice?: object; readonly stopped?: { readonly freed: readonly string[] } };
  };
}

/** The child that scores a chunk, once it has begun to work. */
async function workingChunk(): Promise<number> {
  for (let waited = 0; waited < 30_000; waited += 2) {
    for (const { pid, cpuMicros } of await processTree(process.pid)) {
      const command = commandOf(pid);
      if (command.includes("chunk-child.ts") && command.split("\0")[0]?.endsWith("node") && cpuMicros > 0)
        return pid;
    }
    await sleep(2);
  }
  throw new Error("no chunk is scored");
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}

describe.skipIf(!hasEmbeddedPostgres())("a scoring whose process hangs", () => {
  let folder: string;
  let postgres: EmbeddedPostgres;
  let control: InProcessControl;
  let world: ScoringWorld;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "portolan-idle-scoring-"));
    postgres = await startEmbeddedPostgres({ folder });
    control = await openControl({}, postgres.url);
    control.lookAtWorkEvery(300);
    world = await prepareScoring(control);
  });
  afterAll(async () => {
    await control.close();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const apply = async (notice: string): Promise<unknown> =>
    must(
      control,
      "PUT",
      "/v1/quotas",
      { file: "quotas.yaml", quotas: quotas(notice) },
      await control.token("ada"),
    );
  async function until(id: string, is: (stand: Stand) => boolean): Promise<Stand> {
    for (let waited = 0; ; waited += 50) {
      const { body } = await control.call("GET", `/v1/scorings/${id}`, undefined, await control.token("sam"));
      const stand = body as unknown as Stand;
      if (is(stand)) return stand;
      if (waited > 60_000 || stand.state === "failed") throw new Error(JSON.stringify(stand));
      await sleep(50);
    }
  }

  /** A scoring whose process was stopped while it worked: one that came to its end before is followed by another. */
  async function hangingScoring(asked: object): Promise<string> {
    for (let attempt = 1; attempt <= 5; attempt++) {
      const { id } = await world.post("/v1/scorings", { ...asked, resources: { cpu: "2" } }, "sam");
      const pid = await workingChunk();
      try {
        process.kill(pid, "SIGSTOP");
      } catch {
        // It ended between the look and the signal.
      }
      await sleep(1_000);
      // One whose answer was under way is ended with it; only what hangs is still there, whatever its scoring has left to write.
      if (commandOf(pid).includes("chunk-child.ts")) return String(id);
      await until(String(id), ({ state }) => state === "ready");
    }
    throw new Error("no scoring could be caught at work");
  }

  test("is told, kept by a word, told again and stopped in the middle of its chunk; its part is free, and it is ready after a person had it go on", async () => {
    await apply("1min");
    const { post, acme, datasetId } = world;
    const place = { environment: "dev", useCaseId: acme.useCaseId };
    const upload = `/v1/artifacts?${new URLSearchParams(place).toString()}`;
    const { digest } = await post(upload, Buffer.from(logisticModel([0.5], 0.1)));
    const lineage = { origin: "imported", source: "model.onnx" };
    await post("/v1/models/waits/versions", { ...place, artifact: digest, lineage });
    const target = { environment: "dev", datasetId, model: "waits", version: 1 };
    const asked = { ...target, purpose: "staff-planning", columns: ["wait"], out: "scores" };
    const worker = await control.startJobs();
    onTestFinished(() => worker.stop());
    const id = await hangingScoring(asked);

    const told = await until(id, ({ queue }) => queue?.idle?.notice !== undefined);
    expect(told.queue?.says).toMatch(/^runs, and used \d+(\.\d)? % of 2 CPU since .*: it is stopped at /);
    const keep = { forSeconds: 1, reason: "somebody looks at it" };
    await post(`/v1/queue/${id}/keep`, keep, "sam");
    await apply("1s");
    const stopped = await until(id, ({ queue }) => queue?.state === "stopped");
    expect(stopped).toMatchObject({ state: "waiting", queue: { idle: { stopped: { freed: ["2 CPU"] } } } });
    const events = await control.database.session((session) =>
      session.query<{ event: string }>("select event from ledger.rows where subject = $1", [id]),
    );
    const names = events.map(({ event }) => event);
    for (const event of [
      "capacity.idle.noticed",
      "capacity.idle.kept",
      "capacity.idle.stopped",
      "scoring.run.stopped",
    ])
      expect(names).toContain(event);
    await sleep(300);
    expect((await until(id, () => true)).queue?.state).toBe("stopped");

    await apply("1h");
    await post(`/v1/queue/${id}/resumption`, {}, "sam");
    expect((await world.untilOver(id)).state).toBe("ready");
  });
});
