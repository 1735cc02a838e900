import { createLogger, type Environment, type Id, isPortolanError } from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import { aCall, namedPlaces, openTestDatabase, testAuthorizer, testOrganisation } from "@portolan/testkit";
import Fastify, { type FastifyError } from "fastify";
import { validateStrictly } from "../../../apps/control/src/http/validation.ts";
import { lineageErrors, lineageMigrations, registerLineageRoutes } from "../src/index.ts";

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export interface Caller {
  readonly environments?: readonly Environment[];
  readonly organisationId?: Id<"organisation">;
  readonly roles?: readonly string[];
}

/** The routes over a real database; who calls is said by each call. */
export async function lineageFixture() {
  const db = await openTestDatabase({ migrations: [lineageMigrations] });
  const app = Fastify();
  validateStrictly(app);
  let caller: Caller = {};
  app.decorateRequest("call");
  app.addHook("onRequest", async (request) => {
    request.call = aCall({ roles: ["engineer"], environments: ["dev"], ...caller });
  });
  const log = createLogger({ name: "lineage", level: "silent" });
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    if (!isPortolanError(error)) {
      log.error({ err: error });
      return reply.code(error.statusCode ?? 500).send({ code: error.code, detail: error.message });
    }
    const { code, detail, mend, violations } = error;
    const status = (lineageErrors as Record<string, { status: number }>)[code]?.status ?? 403;
    return reply.code(status).send({ code, detail, mend, violations });
  });
  await registerLineageRoutes(app, {
    work: db.uow,
    authorizer: testAuthorizer({ engineer: ["*"], reader: ["lineage:read"] }),
    places: namedPlaces,
    organisations: { nameOf: (id) => Promise.resolve(id === testOrganisation ? "acme" : "other") },
    recordBatch: recordBatchDigest,
  });
  const ask = async (method: "GET" | "POST", url: string, body?: unknown): Promise<Answer> => {
    const answer = await app.inject({
      method,
      url,
      ...(body === undefined
        ? {}
        : { payload: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    return {
      status: answer.statusCode,
      body: answer.body === "" ? {} : (JSON.parse(answer.body) as Record<string, unknown>),
    };
  };
  return {
    db,
    /** From now on others call. */
    as: (who: Caller): void => {
      caller = who;
    },
    post: (event: unknown, query = "") => ask("POST", `/api/v1/lineage${query}`, event),
    batch: (events: readonly unknown[]) => ask("POST", "/api/v1/lineage/batch", events),
    get: (path: string, query: Readonly<Record<string, string>> = {}) =>
      ask("GET", `/api/v1/${path}?${new URLSearchParams(query).toString()}`),
    close: async () => {
      await app.close();
      await db.close();
    },
  };
}
export type LineageFixture = Awaited<ReturnType<typeof lineageFixture>>;
