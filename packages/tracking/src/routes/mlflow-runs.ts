import type { Static } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { type ClientRunDeps, changeDeleted, createRun } from "../client-runs.ts";
import { readRun } from "../read-run.ts";
import { runAnswer } from "./mlflow-answers.ts";
import { CreateRun, int64Of, RunQuery, runIdOf } from "./mlflow-forms.ts";
import { writing } from "./route-options.ts";

/** Making runs, deleting and restoring them, by whoever may log where they belong. */
export function clientRunRoutes(app: FastifyInstance, deps: ClientRunDeps): void {
  app.post<{ Body: Static<typeof CreateRun> }>(
    "/runs/create",
    writing("MLflow: make a run of one's own", CreateRun),
    async ({ call, body }) => {
      const { experiment_id: experimentId, run_name: name, start_time: start } = body;
      const { id } = await createRun(deps, call, {
        experimentId: experimentId ?? "0",
        tags: body.tags ?? [],
        ...(name ? { name } : {}),
        ...(start === undefined ? {} : { startMs: int64Of(start, "/start_time") }),
      });
      const { run, data } = await readRun(deps, call, id);
      return runAnswer(call.actor.organisationId, run, data);
    },
  );
  for (const [name, to] of [
    ["delete", "deleted"],
    ["restore", "restored"],
  ] as const)
    app.post<{ Body: Static<typeof RunQuery> }>(
      `/runs/${name}`,
      writing(`MLflow: ${name} a run that a client made`, RunQuery),
      async ({ call, body }) => {
        await changeDeleted(deps, call, runIdOf(body), to);
        return {};
      },
    );
}
