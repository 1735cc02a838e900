import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toProblem } from "@portolan/http-contract";
import { type Authorizer, type CallContext, systemClock } from "@portolan/kernel";
import { ledgerErrors, recordBatchDigest } from "@portolan/ledger";
import { aCall, openTestDatabase, testAuthorizer } from "@portolan/testkit";
import Fastify, { type FastifyInstance } from "fastify";
import {
  createPredictionsDeps,
  type PredictionsDeps,
  predictionsErrors,
  predictionsMigrations,
  registerPredictionsRoutes,
} from "../src/index.ts";
import { organisationId } from "./records.ts";

export interface TestControl {
  readonly app: FastifyInstance;
  readonly url: string;
  readonly deps: PredictionsDeps;
  /** Folder of the accepted records. */
  readonly accepted: string;
  /** A fresh call of the gateway's service account. */
  gateway(): CallContext;
  person(): CallContext;
  sql: Awaited<ReturnType<typeof openTestDatabase>>["sql"];
  close(): Promise<void>;
}

/** The control side: real database, real ledger rows, real HTTP; only the policy set is the test's. */
export async function startTestControl(keysFolder?: string): Promise<TestControl> {
  const accepted = mkdtempSync(join(tmpdir(), "accepted-"));
  const database = await openTestDatabase({ migrations: [predictionsMigrations] });
  const policy = testAuthorizer({
    gateway: ["predictions:deliver"],
    person: ["predictions:read", "outcomes:write", "predictions:erase", "predictions:hold"],
  });
  // The gateway of the tests serves two organisations; the real policy set grants that by binding.
  const authorizer: Authorizer = {
    decide: (call, action, resource) => policy.decide(call, action, resource),
    require: (call, action, resource) => {
      const { organisationId: own } = call.actor;
      return policy.require(
        call,
        action,
        action === "predictions:deliver" ? { ...resource, organisationId: own } : resource,
      );
    },
  };
  const deps = createPredictionsDeps(
    { uow: database.uow, authorizer, clock: systemClock, recordBatch: recordBatchDigest },
    accepted,
    keysFolder,
  );
  const gateway = () =>
    aCall({ kind: "service_account", id: "sa_gateway", organisationId, roles: ["gateway"] });
  const person = () => aCall({ id: "usr_person", organisationId, roles: ["person"] });
  const app = Fastify();
  app.addHook("onRequest", async (request) => {
    request.call = request.url === "/v1/prediction-blocks" ? gateway() : person();
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = toProblem(error, { ...predictionsErrors, ...ledgerErrors }, request.id);
    if (problem.status === 500) request.log.error(error);
    return reply.code(problem.status).send(problem);
  });
  await registerPredictionsRoutes(app, deps);
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  return {
    app,
    url,
    accepted,
    deps,
    gateway,
    person,
    sql: database.sql,
    close: async () => {
      await app.close();
      await database.close();
      rmSync(accepted, { recursive: true, force: true });
    },
  };
}
