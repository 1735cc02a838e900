import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Product, startProduct } from "../../apps/cli/test/product.ts";
import { must } from "../../apps/control/test/api.ts";
import { prepareUseCase } from "../chaos/workload.ts";
import { eventsOf, ingest, isSkipped, live, read, start, untilReady } from "./scoring-fixture.ts";

const hourMicros = 3_600_000_000;

/** As windows are stated: HH:MM, UTC. */
function timeOf(micros: number): string {
  return new Date(micros / 1000).toISOString().slice(11, 16);
}

async function jobOf(
  product: Product,
  id: string,
): Promise<{ readonly note: string; readonly state: string }> {
  const { job } = await read(product, id);
  const found = await must(product, "GET", `/v1/jobs/${job}`, undefined, await product.token("ci"));
  return { note: String(found["note"]), state: String(found["state"]) };
}

interface Scheduled {
  readonly parent: number;
  readonly command: string;
  /** 19: after all others. */
  readonly nice: number;
}

function scheduled(): ReadonlyMap<number, Scheduled> {
  const found = new Map<number, Scheduled>();
  for (const name of readdirSync("/proc").filter((one) => /^\d+$/.test(one)))
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8");
      found.set(Number(name), { parent: Number(fields[1]), command, nice: Number(fields[16]) });
    } catch {
      // It ended between the listing and the look.
    }
  return found;
}

/** Nice values of the processes that score for that control now. */
function scorersOf(control: number): number[] {
  const all = scheduled();
  const isBelow = (pid: number): boolean =>
    pid === control || (pid > 1 && isBelow(all.get(pid)?.parent ?? 0));
  return [...all].flatMap(([pid, { command, nice }]) =>
    /^[^\0]*node\0.*chunk-child/s.test(command) && isBelow(pid) ? [nice] : [],
  );
}

test.skipIf(isSkipped)(
  "batches go on in their windows alone, the urgent ones first, and live answers come before all of them",
  async () => {
    await using product = await startProduct();
    const setting = await prepareUseCase(product);
    const datasetId = await ingest(product, setting, 60_000);
    const { startedAt } = await read(product, await start(product, datasetId));
    const barred = await start(product, datasetId, {
      windows: [{ from: timeOf(startedAt + 2 * hourMicros), to: timeOf(startedAt + 3 * hourMicros) }],
      priority: 10,
    });
    // Several, for the first may begin before the urgent one is there: the last of them must not.
    for (let count = 0; count < 3; count++) await start(product, datasetId, { priority: 0 });
    const plain = await start(product, datasetId, { priority: 0 });
    const urgent = await start(product, datasetId, { priority: 9 });
    const niceValues = new Set<number>();
    await expect
      .poll(
        async () => {
          expect(await live(product, setting, 1, 2)).toHaveLength(1);
          for (const nice of scorersOf(product.state().processes.control?.pid ?? 0)) niceValues.add(nice);
          return (await read(product, plain)).state;
        },
        { timeout: 240_000, interval: 100 },
      )
      .toBe("ready");
    const first = (await untilReady(product, urgent)).finishedAt ?? Number.POSITIVE_INFINITY;
    expect(first).toBeLessThan((await read(product, plain)).finishedAt ?? 0);
    expect([...niceValues]).toEqual([19]);
    expect(await jobOf(product, barred)).toMatchObject({ note: "waits for its window" });
    expect((await read(product, barred)).state).toMatch(/^(waiting|running)$/);
    expect(await eventsOf(product, "scoring.chunk.scored", barred)).toBe(0);
  },
  600_000,
);
