import { type CallContext, type Clock, environments, type UnitOfWork } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { badShare, burnsOf, windowsOf } from "./burn.ts";
import { budgetDays } from "./burn-rates.ts";
import { countsByWindow, countsSince } from "./counts-store.ts";
import { restOfOne } from "./decimal.ts";
import { LifecycleStatus } from "./lifecycle.ts";
import { type EndpointObjectives, Objective } from "./objective.ts";

const Share = (description: string) =>
  Type.Union([Type.Number(), Type.Null()], {
    description: `${description}; null: no requests, or not counted here`,
  });

const Burn = Type.Object({
  severity: Type.Enum(["page", "ticket"]),
  rate: Type.String({ description: "So many times too fast is what fires" }),
  long: Type.String(),
  short: Type.String(),
  longRate: Share("Times too fast over the long window"),
  shortRate: Share("The same over the short one"),
  isFiring: Type.Boolean(),
});

/** How an endpoint's objectives stand. */
export const ObjectiveStatus = Type.Object({
  environment: Type.Enum([...environments]),
  endpoint: Type.String(),
  requests: Type.Integer({ description: `Counted over the last ${budgetDays} days` }),
  objectives: Type.Array(
    Type.Object({
      ...Objective.properties,
      badShare: Share(`Share of bad requests over the last ${budgetDays} days`),
      budgetUsed: Share("Part of the error budget that they took; above 1 it is spent"),
      burns: Type.Array(Burn),
    }),
  ),
});
export type ObjectiveStatus = Static<typeof ObjectiveStatus>;

/** The same, with what happens to the model. */
export const EndpointStatus = Type.Object({
  ...ObjectiveStatus.properties,
  lifecycle: Type.Array(LifecycleStatus),
});
export type EndpointStatus = Static<typeof EndpointStatus>;

/** Reads how objectives stand, by what control counted of records. Features' freshness is not on their headers, and not counted. */
export async function objectiveStatus(
  { work, clock }: { readonly work: UnitOfWork; readonly clock: Clock },
  call: CallContext,
  of: EndpointObjectives,
): Promise<ObjectiveStatus> {
  const { organisationId } = call.actor;
  const now = clock.now();
  const [parts, whole] = await work.read(call, async (sql) => [
    await countsByWindow(sql, organisationId, of, now),
    await countsSince(sql, organisationId, of, { since: now - budgetDays * 86_400_000_000, now }),
  ]);
  const windows = windowsOf(parts);
  const objectives = of.objectives.map((objective) => {
    const share = badShare(objective, whole);
    const isCounted = objective.name !== "freshness";
    return {
      ...objective,
      badShare: share ?? null,
      budgetUsed: share === undefined ? null : share / Number(restOfOne(objective.target)),
      burns: isCounted
        ? burnsOf(objective, windows).map(({ longRate = null, shortRate = null, ...burn }) => ({
            ...burn,
            longRate,
            shortRate,
          }))
        : [],
    };
  });
  const { environment, endpoint } = of;
  return { environment, endpoint, requests: whole.requests, objectives };
}
