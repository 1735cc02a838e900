import { routeConfig } from "@portolan/http-contract";
import { digestJson, type JsonObject } from "@portolan/kernel";
import { Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { LedgerVerification, ledgerVerifyQueue, VerifyRequest } from "../contract.ts";
import type { LedgerDeps } from "../ledger.ts";
import { rowsToVerify, verifyLedger } from "../verify-ledger.ts";

/** Above this many rows the answer is a job: bench/ledger.ts saw 2,600 rows a second on two busy cores. */
const maxRowsInRequest = 20_000;

export function verifyRoutes(deps: LedgerDeps): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.post<{ Body: VerifyRequest }>(
      "/v1/ledger/verify",
      {
        config: routeConfig("ledger:verify", "governed"),
        schema: {
          summary: "Verify rows, tiles and checkpoints against each other",
          tags: ["ledger"],
          body: VerifyRequest,
          response: { 200: LedgerVerification, 202: Type.Object({ job: Type.String() }) },
        },
      },
      async (request, reply) => {
        const { call } = request;
        if ((await rowsToVerify(deps, call)) <= (deps.maxRowsInRequest ?? maxRowsInRequest)) {
          return reply.send(await verifyLedger(deps, call, request.body));
        }
        const job = await deps.uow.write(call, async (tx) => {
          const subject = call.actor.organisationId;
          await tx.record({ event: "ledger.verification.requested", subject });
          const payload = payloadOf(request.body);
          // Asked again with other keys or checkpoints it is another question, and another job.
          return tx.enqueue({ queue: ledgerVerifyQueue, payload, key: `${subject} ${digestJson(payload)}` });
        });
        return reply.code(202).send({ job });
      },
    );
  };
}

function payloadOf({ trust, known }: VerifyRequest): JsonObject {
  return {
    ...(trust === undefined ? {} : { trust: [...trust] }),
    ...(known === undefined ? {} : { known: [...known] }),
  };
}
