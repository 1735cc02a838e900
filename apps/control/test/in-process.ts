import { mkdtemp, readFile, rm } from "node:fs/promises";
import { enableCompileCache } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startJobWorker, startReconciler } from "@portolan/database";
import {
  createLogger,
  type Environment,
  environments,
  type Id,
  type JobHandler,
  loadConfig,
  systemClock,
} from "@portolan/kernel";
import { startSequencer } from "@portolan/ledger";
import { openTestDatabase } from "@portolan/testkit";
import type { RouteOptions } from "fastify";
import { compileCache } from "../../../tools/compile-cache.ts";
import { ControlConfig } from "../src/config.ts";
import { assembleControl } from "../src/start-control.ts";
import { layFoundation, migrationSets } from "../src/wiring/foundation.ts";
import type { Answer, Api } from "./api.ts";

// As in the product: children behind walls find their modules compiled, instead of each compiling them anew.
enableCompileCache(compileCache.NODE_COMPILE_CACHE);

/** What a route declared of itself. */
export interface DeclaredRoute {
  readonly method: string;
  readonly url: string;
  readonly action: string | undefined;
  readonly ledger: string | undefined;
  readonly schema: RouteOptions["schema"];
}

/**
 * All of control in this process, wired as the app wires it, over a database in memory; nothing runs beside a request.
 *
 * @param more settings by their names
 * @param url of a PostgreSQL server to run on; by default as all tests do
 */
export async function openControl(more: Readonly<Record<string, string>> = {}, url?: string) {
  const home = await mkdtemp(join(tmpdir(), "portolan-in-process-"));
  const test = await openTestDatabase({
    migrations: migrationSets,
    ...(url === undefined ? {} : { url }),
  });
  const settings = loadConfig(ControlConfig, {
    PORTOLAN_HOME: home,
    EVENT_WINDOW_SECONDS: "1",
    DATA_CONNECTIONS: home,
    DEV_ISSUER: "true",
    LOG_LEVEL: "error",
    UPSTREAM_ALLOWED_HOSTS: "127.0.0.1",
    ...more,
  });
  // As main.ts does: finding a Python and building an environment needs the machine's own.
  const config = { ...settings, installEnvironment: { PATH: process.env["PATH"] ?? "", HOME: home } };
  const log = createLogger({ name: "control", level: config.LOG_LEVEL });
  const base = await layFoundation(config, log, systemClock, test.database);
  const routes: DeclaredRoute[] = [];
  const ends: (() => Promise<void>)[] = [];
  const { app, wiring } = await assembleControl(base, (server) => {
    server.addHook("onRoute", (route) => void routes.push(...declared(route)));
  });
  await app.ready();
  const secret = (await readFile(join(home, "local-credential"), "utf8")).trim();

  const call: Api["call"] = async (method, path, body, token): Promise<Answer> => {
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(Buffer.isBuffer(body) ? { "content-type": bytesType(path) } : {}),
    };
    const response = await app.inject({
      method,
      url: path,
      headers,
      // A text goes out as it is: JSON that `JSON.stringify` does not write.
      ...(typeof body === "string" ? { headers: { ...headers, "content-type": "application/json" } } : {}),
      ...(body === undefined ? {} : { payload: body as object | string }),
    });
    const type = String(response.headers["content-type"] ?? "");
    return {
      status: response.statusCode,
      type,
      requestId: String(response.headers["x-request-id"] ?? ""),
      text: response.body,
      body: type.includes("json") && !type.includes("jsonl") ? response.json() : {},
    };
  };
  /** Of the first organisation, unless another is named. */
  const token = async (
    principal: string,
    reach: readonly Environment[] = environments,
    organisation?: string,
  ): Promise<string> => {
    const body = { secret, principal, environments: reach, ...(organisation ? { organisation } : {}) };
    const answer = await call("POST", "/v1/dev/token", body);
    if (answer.status !== 200) throw new Error(`no token for ${principal}: ${answer.text}`);
    return String(answer.body["token"]);
  };

  /** Works at all jobs until it is stopped, as control does. */
  const startJobs = () => {
    const { jobs, work: uow, database, clock } = base;
    const { data, governance, monitoring, scoring, erasure } = wiring;
    const handlers = [...data.jobs, ...governance.jobs, ...monitoring.jobs, ...scoring.jobs, ...erasure.jobs];
    return startJobWorker({ database, uow, jobs, clock, handlers, log });
  };

  return {
    call,
    token,
    secret,
    startJobs,
    /** The state folder, which holds connections of data sources too. */
    home,
    routes,
    work: base.work,
    database: test.database,
    objects: base.objects,
    /** Takes requests at an address as well; resolves to its URL. */
    listen: (port = 0) => app.listen({ host: "127.0.0.1", port }),
    /** What control does by itself every second and every minute. */
    retraining: wiring.retraining,
    pipelines: wiring.pipelines,
    releases: wiring.releases,
    /** How often trainers and chunks are looked at from now on; every two seconds before. */
    lookAtWorkEvery(ms: number): void {
      for (const deps of [wiring.data.training.preemption, wiring.scoring.scoring])
        Object.assign(deps, { watchEveryMs: ms });
    },
    /** One round of what opens and resolves alerts. */
    watchAlerts: () => wiring.alerting.watch(),
    /** What takes trainers' tracking calls. */
    tracking: wiring.trainers.tracking,
    /** Publishes the organisation's next snapshot, as the intent of a deployment does. */
    publish: (organisationId: Id<"organisation">) => wiring.serving.publisher.publish(organisationId),
    /** Gives the ledger's rows their order and tells them in the lineage, as control does every second. */
    async followLedger(): Promise<void> {
      const { clock, keys, database } = base;
      const sequencer = await startSequencer({
        sql: database.sql,
        clock,
        keys,
        folder: join(home, "ledger"),
        log,
      });
      await sequencer.settled();
      await sequencer.stop();
      await wiring.lineage.follow();
    },
    /** Lets the waiting jobs of these handlers run to their end; others find theirs too, as in control. */
    async runJobs(handlers: readonly JobHandler[]): Promise<void> {
      const worker = await startJobs();
      try {
        await untilNoneOpen(test.database, handlers);
      } finally {
        await worker.stop();
      }
    },
    /** Performs the effects outside SQL that are due. */
    async runIntents(): Promise<number> {
      const { database, clock } = base;
      const reconciler = await startReconciler({ database, clock, log, handlers: wiring.data.intents });
      try {
        return await reconciler.runOnce();
      } finally {
        await reconciler.stop();
      }
    },
    jobs: {
      data: wiring.data.jobs,
      governance: wiring.governance.jobs,
      monitoring: wiring.monitoring.jobs,
      scoring: wiring.scoring.jobs,
      erasure: wiring.erasure.jobs,
    },
    /** Ends with this control. */
    alsoClose: (end: () => Promise<void>): void => void ends.push(end),
    async close(): Promise<void> {
      await Promise.all(ends.map((end) => end()));
      await app.close();
      await wiring.trainers.close();
      await wiring.data.close();
      await test.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}
export type InProcessControl = Awaited<ReturnType<typeof openControl>>;

function declared(route: RouteOptions): DeclaredRoute[] {
  const methods = Array.isArray(route.method) ? route.method : [route.method];
  const { action, ledger } = route.config ?? {};
  const { schema } = route;
  return methods.map((method) => ({ method, url: route.url, action, ledger, schema }));
}

async function untilNoneOpen(
  database: Awaited<ReturnType<typeof openTestDatabase>>["database"],
  handlers: readonly JobHandler[],
): Promise<void> {
  const queues = handlers.map((handler) => handler.queue);
  for (let waitedMs = 0; waitedMs < 150_000; waitedMs += 50) {
    const open = await database.session((session) =>
      session.query<{ queue: string; state: string; error: string | null }>(
        "select queue, state, error from database.job_runs where state not in ('done', 'cancelled') and queue = any($1)",
        [queues],
      ),
    );
    const failed = open.find((job) => ["failed", "retrying"].includes(job.state));
    if (failed) throw new Error(`job of ${failed.queue} failed: ${failed.error}`);
    if (open.length === 0) return;
    await sleep(50);
  }
  throw new Error(`jobs of ${queues.join()} did not end`);
}

/** Bytes are what they are, but for events, which are lines of JSON. */
function bytesType(path: string): string {
  return /\/events(\?|$)/.test(path) ? "application/x-ndjson" : "application/octet-stream";
}
