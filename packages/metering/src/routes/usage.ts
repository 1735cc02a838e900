import { routeConfig } from "@portolan/http-contract";
import { asEpochMicros } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { UsageImport, UsagePage, UsageReceipt, UsageReport, usageQueryLevels } from "../usage/contract.ts";
import { type ReadUsageDeps, readRecords, readUsage } from "../usage/read-usage.ts";
import { type RecordDeps, recordUsage } from "../usage/record-usage.ts";
import { usageLevels } from "../usage/usage-record.ts";

const tags = ["metering"];
const PeriodText = Type.String({ maxLength: 40, description: "Month in UTC, e.g. 2026-11" });
const Query = Type.Object(
  {
    period: PeriodText,
    level: Type.Optional(Type.Enum([...usageQueryLevels], { description: "team when absent" })),
    resource: Type.Optional(Type.String({ maxLength: 60 })),
    activities: Type.Optional(Type.Boolean({ description: "Whether what usage was for stands apart" })),
  },
  { additionalProperties: false },
);
const RecordsQuery = Type.Object(
  {
    period: PeriodText,
    after: Type.Optional(Type.String({ maxLength: 2000, description: "`next` of a page" })),
  },
  { additionalProperties: false },
);

export type UsageRouteDeps = ReadUsageDeps & RecordDeps;

export async function usageRoutes(app: FastifyInstance, deps: UsageRouteDeps): Promise<void> {
  app.get<{ Querystring: Static<typeof Query> }>(
    "/v1/usage",
    {
      config: routeConfig("usage:read", "read"),
      schema: {
        summary: "What was used in a month, by tenant",
        tags,
        querystring: Query,
        response: { 200: UsageReport },
      },
    },
    ({ call, query: { period, level = "team", resource, activities } }) =>
      readUsage(deps, call, {
        period,
        level: usageLevels[usageQueryLevels.indexOf(level)] ?? "team",
        ...(resource === undefined ? {} : { resource }),
        ...(activities === undefined ? {} : { activities }),
      }),
  );
  app.get<{ Querystring: Static<typeof RecordsQuery> }>(
    "/v1/usage/records",
    {
      config: routeConfig("usage:read", "read"),
      schema: {
        summary: "Each record of a month",
        tags,
        querystring: RecordsQuery,
        response: { 200: UsagePage },
      },
    },
    ({ call, query }) => readRecords(deps, call, query),
  );
  recordRoute(app, deps);
}

function recordRoute(app: FastifyInstance, deps: UsageRouteDeps): void {
  app.post<{ Body: UsageImport }>(
    "/v1/usage/records",
    {
      bodyLimit: 16 * 2 ** 20,
      config: routeConfig("usage:record", "governed"),
      schema: {
        summary: "Record what another source counted; the same again changes nothing",
        tags,
        body: UsageImport,
        response: { 200: UsageReceipt },
      },
    },
    async ({ call, body }) => {
      const source = `import/${body.source}`;
      const records = body.records.map(({ quantity, start, end, ...record }) => ({
        ...record,
        source,
        quantity: BigInt(quantity),
        start: asEpochMicros(start),
        end: asEpochMicros(end),
      }));
      const { changedPeriods, ...counts } = await recordUsage(deps, call, {
        source,
        records,
        replace: body.replace === true,
      });
      return { ...counts, changedPeriods: [...changedPeriods] };
    },
  );
}
