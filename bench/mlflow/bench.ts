import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startEmbeddedPostgres } from "@portolan/database/embedded";
import { Client } from "pg";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";
import { bootstrapAcme, must } from "../../apps/control/test/api.ts";
import { startControlProcess } from "../../apps/control/test/control-process.ts";
import { pythonOf } from "../peers/servers.ts";
import { RawClient } from "../raw-client.ts";
import { drive, type Round, withToken } from "./drive.ts";
import { ownChildren, withDescendants } from "./processes.ts";
import { type Execute, seedMlflow, seedPortolan } from "./seed.ts";

/**
 * Control's tracking calls beside those of a stock `mlflow server`, each on a PostgreSQL with the same settings, by one raw HTTP client: authentication, policies and
 * ledger on our side, none of them on the other. `mlflow server` runs as `mlflow server` starts it, with four workers.
 *
 * Usage: node bench/mlflow/bench.ts [seconds a round] [rounds] [runs to search] [both|ours|stock] [part of a task's name]
 */
const [seconds = 4, rounds = 3, runs = 100_000] = process.argv.slice(2, 5).map(Number);
const which = process.argv[5] ?? "both";
const wanted = process.argv[6] ?? "";
const folder = mkdtempSync(join(tmpdir(), "mlflow-bench-"));

interface Side {
  readonly name: string;
  readonly port: number;
  readonly token?: string;
  readonly experimentId: string;
  /** Its processes, and its database's, without those that they started. */
  readonly roots: readonly number[];
  close(): Promise<void>;
}

const postgres = await startEmbeddedPostgres({ folder: join(folder, "postgres") });

async function withDatabase<T>(url: string, work: (execute: Execute) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work((text, values) => client.query(text, values));
  } finally {
    await client.end();
  }
}

const postgresRoots = ownChildren();

function newChildren(before: readonly number[]): number[] {
  return ownChildren().filter((pid) => !before.includes(pid));
}

async function startOurs(): Promise<Side> {
  const before = ownChildren();
  const control = await startControlProcess({ databaseUrl: postgres.url, env: { LOG_LEVEL: "error" } });
  const secret = (await readFile(join(control.home, "local-credential"), "utf8")).trim();
  const { organisationId, useCaseId } = await bootstrapAcme(control, secret);
  const token = await control.token("sam");
  const { id } = await must(control, "GET", "/v1/whoami", undefined, token);
  await withDatabase(postgres.url, (execute) =>
    seedPortolan(execute, { organisationId, useCaseId, startedBy: String(id) }, runs),
  );
  const close = () => control[Symbol.asyncDispose]();
  return {
    name: "portolan",
    port: control.port,
    token,
    experimentId: `${useCaseId}-dev`,
    roots: [...postgresRoots, ...newChildren(before)],
    close,
  };
}

async function startStock(): Promise<Side> {
  const before = ownChildren();
  // A server of its own, with the same settings, so that neither takes connections from the other.
  const own = await startEmbeddedPostgres({ folder: join(folder, "postgres-of-mlflow") });
  const { url } = own;
  const python = await pythonOf("mlflow");
  const port = await freePort();
  const place = join(folder, "mlflow");
  mkdirSync(place);
  const log = openSync(join(place, "log"), "a");
  const args = [
    "-m",
    "mlflow",
    "server",
    "--backend-store-uri",
    url.replace("postgresql:", "postgresql+psycopg2:"),
    "--host",
    "127.0.0.1",
    "--port",
    String(port),
  ];
  const child = spawn(python, [...args, "--artifacts-destination", place], {
    cwd: place,
    detached: true,
    env: {
      PATH: process.env["PATH"],
      HOME: place,
      DO_NOT_TRACK: "1",
      MLFLOW_DISABLE_TELEMETRY: "true",
      // The server takes 40 connections, and each of four workers has pools of its own.
      MLFLOW_SQLALCHEMYSTORE_POOL_SIZE: "4",
      MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW: "0",
      MLFLOW_SERVER_ENABLE_JOB_EXECUTION: "false",
    },
    stdio: ["ignore", log, log],
  });
  const ready = async (): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined))?.ok === true;
  for (let waited = 0; !(await ready()); waited++) {
    if (waited > 240 || child.exitCode !== null)
      throw new Error(`mlflow server did not start:\n${await readFile(join(place, "log"), "utf8")}`);
    await sleep(500);
  }
  const client = await RawClient.open(port);
  const { text } = await client.post("/api/2.0/mlflow/experiments/create", '{"name": "bench"}');
  client.close();
  const { experiment_id: experimentId } = JSON.parse(text) as { experiment_id: string };
  await withDatabase(url, (execute) => seedMlflow(execute, experimentId, runs));
  const close = async (): Promise<void> => {
    // The server's workers are its children: they are ended as a group.
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGTERM");
    await new Promise((resolve) => child.once("exit", resolve));
    await own.stop();
  };
  return { name: "mlflow", port, experimentId, roots: newChildren(before), close };
}

async function createRuns({ port, token, experimentId }: Side, count: number): Promise<string[]> {
  const client = await RawClient.open(port);
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    const body = JSON.stringify({
      experiment_id: experimentId,
      run_name: `bench ${n}`,
      start_time: 1_800_000_000_000,
    });
    const { status, text } = await client.post("/api/2.0/mlflow/runs/create", body, withToken(token));
    if (status !== 200) throw new Error(`runs/create: ${status} ${text}`);
    ids.push((JSON.parse(text) as { run: { info: { run_id: string } } }).run.info.run_id);
  }
  client.close();
  return ids;
}

const point = (key: string, step: number) => ({
  key,
  value: Math.sin(step),
  timestamp: 1_700_000_000_000 + step,
  step,
});
let step = 0;

interface Task {
  readonly name: string;
  readonly path: string;
  readonly connections: readonly number[];
  readonly body: (side: Side, ids: readonly string[]) => (connection: number, n: number) => string;
}

const search =
  (filter: (n: number) => string, order_by: readonly string[] = []): Task["body"] =>
  ({ experimentId }) =>
  (_, n) =>
    JSON.stringify({ experiment_ids: [experimentId], filter: filter(n), order_by, max_results: 100 });

const logMetric: Task["body"] = (_, ids) => (connection) =>
  JSON.stringify({ run_id: ids[connection], ...point("loss", step++) });
const oneMetricBatch: Task["body"] = (_, ids) => (connection) => {
  const from = (step += 1000);
  const metrics = Array.from({ length: 1000 }, (_point, i) => point("curve", from + i));
  return JSON.stringify({ run_id: ids[connection], metrics });
};
const tasks: readonly Task[] = [
  { name: "log-metric", path: "log-metric", connections: [1, 16], body: logMetric },
  { name: "log-batch, 1000 points", path: "log-batch", connections: [1, 16], body: oneMetricBatch },
  {
    name: "search: metric and param, by metric",
    path: "search",
    connections: [1],
    body: search(
      (n) => `metrics.acc > 0.${50 + (n % 40)} and params.depth = '${n % 10}'`,
      ["metrics.acc DESC"],
    ),
  },
  {
    name: "search: by metric alone",
    path: "search",
    connections: [1],
    body: search(() => "", ["metrics.loss ASC"]),
  },
  {
    name: "search: a rare tag",
    path: "search",
    connections: [1],
    body: search((n) => `tags.kind = 'rare' and metrics.acc > 0.${n % 9}`),
  },
  {
    name: "search: a metric's range, newest first",
    path: "search",
    connections: [1],
    body: search((n) => `metrics.acc > 0.${n % 9} and metrics.loss < ${10 + (n % 80)}`),
  },
];

function row(side: string, task: string, connections: number, measured: readonly Round[]): void {
  const middle = (pick: (round: Round) => number): number =>
    measured.map(pick).toSorted((a, b) => a - b)[Math.floor(measured.length / 2)] ?? 0;
  const failed = measured.reduce((sum, one) => sum + one.failed, 0);
  const failure = measured.find((one) => one.failure !== undefined)?.failure;
  process.stdout.write(
    `${task.padEnd(40)} ${String(connections).padStart(2)} ${side.padEnd(9)} ${middle((one) => one.perSecond)
      .toFixed(1)
      .padStart(
        8,
      )}/s  p50 ${middle((one) => one.p50).toFixed(1)} ms  p99 ${middle((one) => one.p99).toFixed(1)} ms  CPU ${middle((one) => one.cpuMs).toFixed(2)} ms${failed === 0 ? "" : `  FAILED ${failed}: ${failure}`}\n`,
  );
}

const sides: Side[] = [];
try {
  if (which !== "stock") sides.push(await startOurs());
  if (which !== "ours") sides.push(await startStock());
  process.stdout.write(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "cpu"}, load ${loadavg()
      .map((one) => one.toFixed(1))
      .join(" ")}, ${runs} runs\n`,
  );
  const ids = await Promise.all(sides.map((side) => createRuns(side, 16)));
  for (const task of tasks.filter(({ name }) => name.includes(wanted)))
    for (const connections of task.connections) {
      const results: Round[][] = sides.map(() => []);
      // In turn, so that both meet the same hours of a shared machine; the first round warms up.
      for (let round = 0; round <= rounds; round++)
        for (const [at, side] of sides.entries()) {
          const { port, token } = side;
          const measured = await drive({
            port,
            ...(token === undefined ? {} : { token }),
            path: `/api/2.0/mlflow/runs/${task.path}`,
            body: task.body(side, ids[at] ?? []),
            connections,
            pids: withDescendants(side.roots),
            seconds: round === 0 ? Math.min(1, seconds) : seconds,
          });
          if (round > 0) results[at]?.push(measured);
        }
      for (const [at, side] of sides.entries()) row(side.name, task.name, connections, results[at] ?? []);
    }
} finally {
  for (const side of sides) await side.close();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
