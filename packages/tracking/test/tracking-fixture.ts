import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  addMicros,
  type CallContext,
  createLogger,
  newId,
  PortolanError,
  systemClock,
} from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import { openFolderObjectStore } from "@portolan/objectstore";
import { aCall, openTestDatabase, type TestDatabase, testAuthorizer } from "@portolan/testkit";
import { trainingMigrations } from "@portolan/training";
import Fastify from "fastify";
import { validateStrictly } from "../../../apps/control/src/http/validation.ts";
import {
  beginAttempt,
  createAddressSigner,
  PointWriter,
  registerTrackingRoutes,
  trackingErrors,
  trackingMigrations,
} from "../src/index.ts";
import type { PointWriterDeps } from "../src/point-writer.ts";
import type { TrackedRun } from "../src/ports.ts";

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export interface TrackingFixture {
  readonly db: TestDatabase;
  readonly call: CallContext;
  /** What the routes write points with. */
  readonly points: PointWriter;
  /** Those that are listed; change them for a test. */
  readonly useCaseNames: string[];
  /** For writers of points besides. */
  readonly writing: PointWriterDeps;
  /** What was refused by no policy: `<principal>: <action>: <reason>`. */
  readonly refusals: readonly string[];
  /** A run of an attempt that is open. */
  aRun(): Promise<string>;
  /** Writes it where a search looks, as training has it. */
  keep(runId: string): Promise<void>;
  /** Settles it, as the job of a run does. */
  finish(runId: string, state: "succeeded" | "failed"): void;
  /** @param caller `<role> <principal>`, where it is not the one whose runs these are */
  post(call: string, body: object, caller?: string): Promise<Answer>;
  get(call: string, query: Readonly<Record<string, string>>, caller?: string): Promise<Answer>;
  /** Any call at all, with an empty message as its body. */
  send(method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE", path: string): Promise<Answer>;
  /** A call whose body or answer is bytes. */
  bytes(
    method: "GET" | "PUT" | "DELETE" | "PATCH" | "POST",
    path: string,
    more?: {
      readonly body?: Buffer | string;
      readonly caller?: string;
      readonly type?: string;
      readonly range?: string;
    },
  ): Promise<{ readonly status: number; readonly text: string; readonly contentRange?: string }>;
  /** From now on these bytes are rows that the policies on data keep from others. */
  withhold(digest: string): void;
  /** From now on this principal counts no more. */
  disable(principal: string): void;
  /** Lets time pass for what expires. */
  pass(micros: number): void;
  close(): Promise<void>;
}

const missing = (runId: string) =>
  new PortolanError("kernel.not_found", { detail: `there is no run ${runId}` });

/** The routes over a real database; runs are kept here, since the package takes them from whoever has them. */
export async function trackingFixture(): Promise<TrackingFixture> {
  const db = await openTestDatabase({
    // Of training its table of runs alone is needed, and nothing that stands before it.
    migrations: [{ ...trainingMigrations, after: [] }, trackingMigrations],
  });
  const work = db.uow;
  const call = aCall({ roles: ["engineer"] });
  const runs = new Map<string, TrackedRun>();
  const withheld = new Set<string>();
  const inactive = new Set<string>();
  let passedMicros = 0;
  const refusals: string[] = [];
  const granting = testAuthorizer({ engineer: ["*"], reader: ["training:read"] });
  // A signed address is opened under a request of its own, as the principal who asked for it.
  const roles = new Map<string, string>();
  const withRole = ({ actor }: CallContext): CallContext =>
    aCall({ id: actor.id, roles: [roles.get(actor.id) ?? "engineer"] });
  const log = createLogger({ name: "tracking", level: "silent" });
  const useCaseNames = ["churn", "flights"];
  const writing = { work, recordBatch: recordBatchDigest, log };
  const points = new PointWriter(writing);
  const app = Fastify();
  // As control does it: a body says what it means, and nothing in it is coerced.
  validateStrictly(app);
  app.decorateRequest("call");
  app.addHook("onRequest", async (request) => {
    // `<role> <principal>`; without it, the one whose runs these are.
    const [role = "engineer", id = call.actor.id] = String(request.headers["x-caller"] ?? "")
      .split(" ")
      .filter(Boolean);
    roles.set(id, role);
    request.call = aCall({ id });
  });
  const folder = await mkdtemp(join(tmpdir(), "portolan-tracking-"));
  const objects = await openFolderObjectStore(folder, systemClock);
  await registerTrackingRoutes(app, {
    work,
    objects,
    artifacts: { note: async () => undefined, require: (_call, digest) => Promise.reject(missing(digest)) },
    rows: {
      release: (_call, { digest }) =>
        withheld.has(digest) ? Promise.reject(missing(digest)) : Promise.resolve(),
      areRows: (_call, digest) => Promise.resolve(withheld.has(digest)),
    },
    clock: { now: () => addMicros(systemClock.now(), passedMicros) },
    addresses: createAddressSigner(),
    isActive: ({ id }) => Promise.resolve(!inactive.has(id)),
    authorizer: {
      decide: (asked, ...what) => granting.decide(withRole(asked), ...what),
      require: (asked, ...what) => granting.require(withRole(asked), ...what),
    },
    log,
    catalogue: { ...trackingErrors, "identity.forbidden": { status: 403, title: "Not allowed" } },
    recordBatch: recordBatchDigest,
    recordRefusal: ({ actor }, { action, reason }) => void refusals.push(`${actor.id}: ${action}: ${reason}`),
    points,
    runs: {
      find: (_call, runId) => {
        const run = runs.get(runId);
        return run ? Promise.resolve(run) : Promise.reject(missing(runId));
      },
      missing,
    },
    useCases: {
      find: (_organisation, idOrName) => {
        const name = idOrName.replace(/^uc_/, "");
        return Promise.resolve(name === "none" ? undefined : { id: `uc_${name}`, name });
      },
      list: () =>
        Promise.resolve(
          useCaseNames.map((name, at) => ({
            id: `uc_${name}`,
            name,
            createdAt: (at + 1) * 1_000_000,
          })),
        ),
    },
  });
  const mlflow = "/api/2.0/mlflow/";
  const answer = ({ statusCode, body }: { statusCode: number; body: string }): Answer => ({
    status: statusCode,
    body: JSON.parse(body) as Record<string, unknown>,
  });
  return {
    db,
    call,
    points,
    writing,
    useCaseNames,
    refusals,
    aRun: async () => {
      const id = newId("trainingRun", systemClock.now());
      runs.set(id, {
        id,
        origin: "trainer",
        environment: "dev",
        state: "running",
        startedBy: call.actor.id,
        startedAt: 5_000_000,
      });
      await beginAttempt({ work, clock: systemClock }, call, {
        runId: id,
        environment: "dev",
        lifetimeMs: 60_000,
      });
      return id;
    },
    keep: async (runId) => {
      const run = runs.get(runId);
      if (!run) throw missing(runId);
      const { organisationId, id: by } = call.actor;
      await db.database.session((session) =>
        session.query(
          "insert into training.runs (id, organisation_id, environment, request, state, started_by, started_at, finished_at) values ($1, $2, $3, '{}', $4, $5, $6, $7)",
          [run.id, organisationId, run.environment, run.state, by, run.startedAt, run.finishedAt ?? null],
        ),
      );
    },
    finish: (runId, state) => {
      const run = runs.get(runId);
      if (run) runs.set(runId, { ...run, state, finishedAt: 9_000_000 });
    },
    post: async (name, body, caller = "") =>
      answer(
        await app.inject({
          method: "POST",
          url: mlflow + name,
          payload: body,
          headers: { "x-caller": caller },
        }),
      ),
    get: async (name, query, caller = "") =>
      answer(
        await app.inject({
          method: "GET",
          url: name.startsWith("/") ? name : mlflow + name,
          query: { ...query },
          headers: { "x-caller": caller },
        }),
      ),
    send: async (method, path) =>
      answer(await app.inject({ method, url: path, ...(method === "GET" ? {} : { payload: {} }) })),
    bytes: async (method, path, { body, caller = "", type = "text/plain", range } = {}) => {
      const response = await app.inject({
        method,
        url: path,
        headers: {
          "x-caller": caller,
          ...(body === undefined ? {} : { "content-type": type }),
          ...(range === undefined ? {} : { range }),
        },
        ...(body === undefined ? {} : { payload: body }),
      });
      const contentRange = response.headers["content-range"];
      return {
        status: response.statusCode,
        text: response.body,
        ...(typeof contentRange === "string" ? { contentRange } : {}),
      };
    },
    withhold: (digest) => void withheld.add(digest),
    disable: (principal) => void inactive.add(principal),
    pass: (micros) => {
      passedMicros += micros;
    },
    close: async () => {
      await rm(folder, { recursive: true, force: true });
      await app.close();
      await db.close();
    },
  };
}
