import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { LedgerEntry, LedgerPage, LedgerQuery, LedgerReceipt } from "../contract.ts";
import { type LedgerDeps, proveRow, readEntry, receiptFor, searchLedger } from "../ledger.ts";

const ById = Type.Object({ id: Type.String({ maxLength: 64 }) });
type ById = Static<typeof ById>;

/** Search, one row, its proof and its receipt. */
export function entryRoutes(deps: LedgerDeps): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.get<{ Querystring: LedgerQuery }>(
      "/v1/ledger/entries",
      {
        config: routeConfig("ledger:read", "read"),
        schema: {
          summary: "Search the ledger, newest first",
          tags: ["ledger"],
          querystring: LedgerQuery,
          response: { 200: LedgerPage },
        },
      },
      (request) => searchLedger(deps, request.call, request.query),
    );
    app.get<{ Params: ById }>(
      "/v1/ledger/entries/:id",
      {
        config: routeConfig("ledger:read", "read"),
        schema: {
          summary: "One ledger row",
          tags: ["ledger"],
          params: ById,
          response: { 200: LedgerEntry },
        },
      },
      (request) => readEntry(deps, request.call, request.params.id),
    );
    app.get<{ Params: ById }>(
      "/v1/ledger/entries/:id/proof",
      {
        config: routeConfig("ledger:read", "read"),
        schema: {
          summary: "Proof of one row for an outsider: row, inclusion proof, signed checkpoint, key",
          tags: ["ledger"],
          params: ById,
        },
      },
      (request) => proveRow(deps, request.call, request.params.id),
    );
    app.get<{ Params: ById }>(
      "/v1/ledger/entries/:id/receipt",
      {
        config: routeConfig("ledger:read", "read"),
        schema: {
          summary: "Signed promise that a committed row will be in the log",
          tags: ["ledger"],
          params: ById,
          response: { 200: LedgerReceipt },
        },
      },
      async (request) => ({ receipt: await receiptFor(deps, request.call, request.params.id) }),
    );
  };
}
