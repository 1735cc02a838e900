import { asPlace, type CallContext, placeOf } from "@portolan/kernel";
import { newestTrainingSets, newestViews } from "./listing-store.ts";
import type { FeatureViewSummary, TrainingSetSummary } from "./resources.ts";
import { type FeatureDeps, resourceOf } from "./views.ts";

type ListDeps = Pick<FeatureDeps, "uow" | "authorizer">;

/** The newest version of each view that the caller may read, by name; `next` where there may be more. */
export async function listViews(
  deps: ListDeps,
  call: CallContext,
  page: { readonly after?: string; readonly limit: number },
): Promise<{ views: FeatureViewSummary[]; next?: string }> {
  const { organisationId } = call.actor;
  const found = await deps.uow.read(call, (sql) => newestViews(sql, organisationId, page));
  const views: FeatureViewSummary[] = [];
  for (const view of found) {
    const resource = { type: "FeatureView", id: view.name, organisationId, ...placeOf(view) };
    if (!(await deps.authorizer.decide(call, "features:read_view", resource)).allowed) continue;
    const { document: _, ...summary } = resourceOf(view);
    views.push(summary);
  }
  const last = found.at(-1);
  return { views, ...(last && found.length === page.limit ? { next: last.name } : {}) };
}

/** Training sets that the caller may read, newest first; `next` where there may be more. */
export async function listTrainingSets(
  deps: ListDeps,
  call: CallContext,
  page: { readonly before?: string; readonly limit: number },
): Promise<{ trainingSets: TrainingSetSummary[]; next?: string }> {
  const { organisationId } = call.actor;
  const found = await deps.uow.read(call, (sql) => newestTrainingSets(sql, organisationId, page));
  const trainingSets: TrainingSetSummary[] = [];
  for (const set of found) {
    const resource = {
      type: "TrainingSet",
      id: set.id,
      organisationId,
      environment: set.environment,
      ...asPlace(set),
    };
    if ((await deps.authorizer.decide(call, "features:read_training_set", resource)).allowed)
      trainingSets.push(set);
  }
  const last = found.at(-1);
  return { trainingSets, ...(last && found.length === page.limit ? { next: last.id } : {}) };
}
