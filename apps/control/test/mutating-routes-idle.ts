import { newId, systemClock } from "@portolan/kernel";
import { must } from "./api.ts";
import { quotaApplication } from "./mutating-routes-identity.ts";
import { known, type MutatingRoute, type World } from "./mutating-world.ts";

/** A run of the team that holds a core; resolves to its id. */
async function heldRun(world: World, state: "running" | "stopped"): Promise<string> {
  const id = newId("trainingRun", systemClock.now());
  await world.control.database.session((session) =>
    session.query(
      `insert into capacity.workloads (id, organisation_id, kind, environment, team, job, started_by, asked, assumed, priority,
         is_preemptible, state, arrived_at, idle)
       values ($1, $2, 'training', 'dev', 'operations/network-planning', 'job_none', 'x', '{"cpu":1000}', '{}', 0, true, $3, 1, '{}')`,
      [id, known(world, "organisation"), state],
    ),
  );
  return id;
}

/** What people say about work that does next to nothing. */
export const idleRoutes: readonly MutatingRoute[] = [
  {
    route: "POST /v1/queue/:id/keep",
    as: "max",
    ledger: "governed",
    events: ["capacity.idle.kept"],
    request: async (world) => {
      const quotas = { ...quotaApplication, quotas: `${quotaApplication.quotas}idle: {}\n` };
      await must(world.api, "PUT", "/v1/quotas", quotas, await world.api.token("ada"));
      const body = { forSeconds: 60, reason: "a debugger waits" };
      return { url: `/v1/queue/${await heldRun(world, "running")}/keep`, body };
    },
    learn: async (_body, world) => {
      await must(world.api, "DELETE", "/v1/quotas", undefined, await world.api.token("ada"));
    },
  },
  {
    route: "POST /v1/queue/:id/resumption",
    as: "max",
    ledger: "governed",
    events: ["capacity.idle.resumed"],
    request: async (world) => ({ url: `/v1/queue/${await heldRun(world, "stopped")}/resumption`, body: {} }),
  },
];
