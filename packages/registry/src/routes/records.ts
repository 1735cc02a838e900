import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { ModelName, VersionRecord } from "../contract.ts";
import { type ReadRecordDeps, readVersionRecord } from "../provenance/read-record.ts";

const VersionParams = Type.Object({ model: ModelName, version: Type.Integer({ minimum: 1 }) });

/** What a version is made of, in one answer. */
export async function recordRoutes(app: FastifyInstance, deps: ReadRecordDeps): Promise<void> {
  app.get<{ Params: Static<typeof VersionParams> }>(
    "/v1/models/:model/versions/:version/record",
    {
      config: routeConfig("registry:read", "read"),
      schema: {
        summary: "Everything on record of a version: training, data, environment, evaluations, promotions",
        tags: ["registry"],
        params: VersionParams,
        response: { 200: VersionRecord },
      },
    },
    async (request) => {
      const { model, version } = request.params;
      return readVersionRecord(deps, request.call, model, version);
    },
  );
}
