import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "@portolan/database/embedded";
import { bootstrapAcme } from "../apps/control/test/api.ts";
import { openControl } from "../apps/control/test/in-process.ts";
import { openRun } from "../apps/control/test/tracked-runs.ts";

/**
 * What a trainer waits for when it logs: `node bench/tracking.ts`. One client on one kept connection, at the socket of a run, with
 * PostgreSQL; authentication, policies and the ledger row included. Client and control share this process. Medians of single
 * calls, calls a second, and the CPU time of this process, which other work on the machine does not change.
 */
const folder = mkdtempSync(join(tmpdir(), "tracking-bench-"));
const postgres = await startEmbeddedPostgres({ folder: join(folder, "postgres") });
process.env["PORTOLAN_TEST_DATABASE_URL"] = postgres.url;
const control = await openControl();
const acme = await bootstrapAcme(control, control.secret);
const run = await openRun(control, acme, { principal: "sam", environment: "dev" });
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function call(path: string, body?: object): Promise<number> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${run.token.reveal()}`, "content-type": "application/json" };
    const method = body === undefined ? "GET" : "POST";
    const options = { socketPath: run.socket, path: `/api/2.0/mlflow/${path}`, method, headers, agent };
    const asked = httpRequest(options, (answer) => {
      answer.resume();
      answer.on("end", () => {
        if (answer.statusCode === 200) resolve(performance.now() - started);
        else reject(new Error(`${path}: ${answer.statusCode}`));
      });
    });
    asked.once("error", reject);
    asked.end(body && JSON.stringify(body));
  });
}

async function measure(name: string, times: number, make: (n: number) => Promise<number>): Promise<void> {
  for (let n = 0; n < 5; n++) await make(-1 - n);
  const took: number[] = [];
  const before = process.cpuUsage();
  for (let n = 0; n < times; n++) took.push(await make(n));
  const { user, system } = process.cpuUsage(before);
  const sorted = took.toSorted((a, b) => a - b);
  const total = took.reduce((sum, ms) => sum + ms, 0);
  const at = (share: number) => (sorted[Math.floor(times * share)] ?? 0).toFixed(1);
  process.stdout.write(
    `${name}: ${((times * 1000) / total).toFixed(0)}/s, p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, CPU ${((user + system) / 1000 / times).toFixed(1)} ms (load ${(loadavg()[0] ?? 0).toFixed(1)})\n`,
  );
}

const point = (key: string, step: number) => ({
  key,
  value: Math.sin(step),
  timestamp: 1_700_000_000_000 + step,
  step,
});
const points = (count: number, from: number) =>
  Array.from({ length: count }, (_, i) => point("loss", from + i));

await measure("log-metric", 300, (n) => call("runs/log-metric", { run_id: run.id, ...point("single", n) }));
await measure("log-batch, 100 metrics and 15 tags", 100, (n) =>
  call("runs/log-batch", {
    run_id: run.id,
    metrics: Array.from({ length: 100 }, (_, i) => point(`m${i}`, n)),
    tags: Array.from({ length: 15 }, (_, i) => ({ key: `t${i}`, value: String(n) })),
  }),
);
await measure("log-batch, 1000 points of one metric", 100, (n) =>
  call("runs/log-batch", { run_id: run.id, metrics: points(1000, n * 1000) }),
);
await measure("runs/get, 102 metrics", 100, () => call(`runs/get?run_id=${run.id}`));
await measure("metrics/get-history, a page of 25,000 of 105,000 points", 20, () =>
  call(`metrics/get-history?run_id=${run.id}&metric_key=loss&max_results=25000`),
);

agent.destroy();
await run.close();
await control.close();
await postgres.stop();
rmSync(folder, { recursive: true, force: true });
