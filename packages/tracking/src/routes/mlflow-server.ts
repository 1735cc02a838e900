import { publicRoute } from "@portolan/http-contract";
import { Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";

/** The release of MLflow whose calls these are: what its clients are told they speak to. */
const mlflowVersion = "3.17.2";

/** What MLflow's clients and probes ask of a server before anything else; at the root, as MLflow has them. */
export function serverRoutes(app: FastifyInstance): void {
  const tags = ["tracking"];
  const response = { 200: Type.String() };
  app.get(
    "/health",
    { config: publicRoute, schema: { summary: "MLflow: OK, while this server answers", tags, response } },
    (_request, reply) => reply.type("text/plain; charset=utf-8").send("OK"),
  );
  app.get(
    "/version",
    {
      config: publicRoute,
      schema: { summary: "MLflow: the release whose calls are served", tags, response },
    },
    (_request, reply) => reply.type("text/plain; charset=utf-8").send(mlflowVersion),
  );
}
