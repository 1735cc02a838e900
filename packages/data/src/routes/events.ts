import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { type EventDeps, receiveEvents } from "../events/receive-events.ts";
import { EnvironmentName } from "../resources.ts";

const Params = Type.Object({ name: Type.String({ pattern: "^[a-z][a-z0-9-]{0,62}$" }) });
const Query = Type.Object(
  {
    environment: EnvironmentName,
    useCaseId: Type.Optional(Type.String({ minLength: 1, maxLength: 63, description: "Id or name" })),
  },
  { additionalProperties: false },
);
const Judged = Type.Object({
  accepted: Type.Integer(),
  quarantined: Type.Array(Type.Object({ index: Type.Integer(), violations: Type.Array(Type.String()) })),
  deadLetters: Type.Array(Type.Object({ index: Type.Integer(), error: Type.String() })),
});
/** An event of ten megabytes fits; a flood of them comes in several requests. */
const largestBytes = 16 * 2 ** 20;

export async function eventRoutes(app: FastifyInstance, deps: EventDeps): Promise<void> {
  const options = { parseAs: "string", bodyLimit: largestBytes } as const;
  app.addContentTypeParser("application/x-ndjson", options, (_request, body, done) => done(null, body));
  app.post<{ Params: Static<typeof Params>; Querystring: Static<typeof Query>; Body: string }>(
    "/v1/contracts/:name/events",
    {
      bodyLimit: largestBytes,
      config: routeConfig("data:ingest", "governed"),
      schema: {
        summary: "Take events in under a contract: JSON lines, on disk when answered, a batch soon after",
        tags: ["data"],
        consumes: ["application/x-ndjson"],
        params: Params,
        querystring: Query,
        response: { 202: Judged },
      },
    },
    async (request, reply) =>
      reply.code(202).send(
        await receiveEvents(deps, request.call, request.params.name, {
          ...request.query,
          body: request.body,
        }),
      ),
  );
}
