import { Readable } from "node:stream";
import { routeConfig } from "@portolan/http-contract";
import { type CallContext, PortolanError } from "@portolan/kernel";
import { encodeBundle, parsePositionPath } from "@portolan/merkle";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { ConsistencyProof } from "../contract.ts";
import {
  demand,
  exportLedger,
  type LedgerDeps,
  logFolder,
  proveConsistency,
  readCheckpoint,
} from "../ledger.ts";
import type { ExportPlaces } from "../ports.ts";

const OfLog = Type.Object({ org: Type.String({ maxLength: 64 }) });
type OfLog = Static<typeof OfLog>;
const TileParams = Type.Object({ org: Type.String({ maxLength: 64 }), "*": Type.String({ maxLength: 64 }) });
type TileParams = Static<typeof TileParams>;
const Sizes = Type.Object({
  from: Type.Integer({ minimum: 0 }),
  to: Type.Optional(Type.Integer({ minimum: 0 })),
});
type Sizes = Static<typeof Sizes>;

/** Where the export goes; what is left out is as the server is configured (`EXPORT_REGION`, `EXPORT_OWNER`). */
const Destination = Type.Object({
  region: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: "Region it goes to" })),
  owner: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: "Who owns that place" })),
});
type Destination = Static<typeof Destination>;

export type LedgerRouteDeps = LedgerDeps & { readonly exports: ExportPlaces };

/** The C2SP tlog-tiles interface under `/v1/ledger/<org>`, consistency proofs and the export. */
export function logRoutes(deps: LedgerRouteDeps): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.get<{ Params: OfLog }>(
      "/v1/ledger/:org/checkpoint",
      {
        config: routeConfig("ledger:read", "read"),
        schema: { summary: "Newest signed checkpoint (C2SP)", tags: ["ledger"], params: OfLog },
      },
      async (request, reply) => {
        demandOwnLog(request.call, request.params.org);
        return reply.type("text/plain; charset=utf-8").send(await readCheckpoint(deps, request.call));
      },
    );
    app.get<{ Params: TileParams }>(
      "/v1/ledger/:org/tile/*",
      {
        config: routeConfig("ledger:read", "read"),
        schema: {
          summary: "Hash tile or entry bundle (C2SP tlog-tiles)",
          tags: ["ledger"],
          params: TileParams,
        },
      },
      async (request, reply) => {
        demandOwnLog(request.call, request.params.org);
        await demand(deps, request.call, "ledger:read");
        const bytes = await readTilePath(deps, request.params.org, request.params["*"]);
        return reply
          .type("application/octet-stream")
          .header("cache-control", "private, max-age=31536000, immutable")
          .send(bytes);
      },
    );
    app.get<{ Querystring: Sizes }>(
      "/v1/ledger/consistency",
      {
        config: routeConfig("ledger:read", "read"),
        schema: {
          summary: "Proof that one tree size extends an earlier one",
          tags: ["ledger"],
          querystring: Sizes,
          response: { 200: ConsistencyProof },
        },
      },
      (request) => proveConsistency(deps, request.call, request.query.from, request.query.to),
    );
    exportRoute(app, deps);
  };
}

function exportRoute(app: FastifyInstance, deps: LedgerRouteDeps): void {
  app.get<{ Querystring: Destination }>(
    "/v1/ledger/export",
    {
      config: routeConfig("ledger:export", "read"),
      schema: {
        summary:
          "The whole log as JSON lines, verifiable offline; refused where a charter excludes the place",
        tags: ["ledger"],
        querystring: Destination,
      },
    },
    async (request, reply) => {
      await demand(deps, request.call, "ledger:export"); // before the first byte: a status cannot be taken back
      await deps.exports.require(request.call, request.query);
      const lines = exportLedger(deps, request.call);
      return reply.type("application/jsonl").send(Readable.from(withNewlines(lines)));
    },
  );
}

async function* withNewlines(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`;
}

/** Another organisation's log is worded like one that does not exist. */
function demandOwnLog(call: CallContext, organisation: string): void {
  if (call.actor.organisationId !== organisation) {
    throw new PortolanError("kernel.not_found", { detail: "Not found" });
  }
}

async function readTilePath(deps: LedgerDeps, organisation: string, path: string): Promise<Uint8Array> {
  const [kind = "", ...rest] = path.split("/");
  const position = parsePositionPath(rest.join("/"));
  const level = /^\d{1,2}$/.test(kind) ? Number(kind) : undefined;
  const folder = logFolder(deps, organisation);
  const size = (await folder.readState())?.tree.size ?? 0;
  const hashes = Math.floor(size / 256 ** (level ?? 0));
  const exists = position !== undefined && position.index * 256 + position.width <= hashes;
  if (exists && kind === "entries") return encodeBundle(await folder.readBundle(position));
  if (exists && level !== undefined) return folder.readTile({ level, ...position });
  throw new PortolanError("ledger.tile_not_found", { detail: `the log has no tile ${path.slice(0, 80)}` });
}
