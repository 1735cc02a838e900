import type { JsonObject } from "@portolan/kernel";
import { judgeSnapshotAge, modelConfig, modelMetadata, type RuntimeState } from "@portolan/serving/policy";
import { fault } from "../http/answers.ts";
import type { StatisticsBook } from "../infer/statistics-book.ts";
import { type ActiveRoute, addressable } from "../snapshot/serving-state.ts";

/** Whether a model answers now, and if not, why. A stand-in answers, and says that it is one and why. */
export type Readiness =
  | { readonly ready: true; readonly tier: string; readonly standIn?: string; readonly problem?: string }
  | { readonly ready: false; readonly problem: string };

/** @param ageMs age of the snapshot that the route comes from */
export function readinessOf(active: ActiveRoute, ageMs: number): Readiness {
  const { route, isStandIn, problem } = active;
  if (judgeSnapshotAge(route.snapshotAge, ageMs) === "expired")
    return { ready: false, problem: "The route snapshot is older than the charter allows." };
  const state = active.model?.state();
  if (state?.kind !== "ready") return { ready: false, problem: problem?.detail ?? stateText(state) };
  if (!isStandIn) return { ready: true, tier: state.tier };
  const standIn = `${route.model.name}/${route.model.version}`;
  return { ready: true, tier: state.tier, standIn, ...(problem ? { problem: problem.detail } : {}) };
}

function stateText(state: RuntimeState | undefined): string {
  return state?.kind === "unavailable" ? state.detail : (state?.kind ?? "not loaded");
}

/** Tensors are those of this version; of a route's own all versions are named that a request may ask for. */
export function metadataOf(active: ActiveRoute): JsonObject {
  const { route, requestSignature } = active;
  const platform = route.model.upstream ? "upstream" : undefined;
  const versions = addressable(active).map((version) => String(version.route.model.version));
  return modelMetadata(route.endpoint, versions, requestSignature, platform);
}

/** An entry of OpenAI's list of models; `undefined` for a model that takes tensors. */
export function textCardOf({ route }: ActiveRoute): JsonObject | undefined {
  const { endpoint, model, organisationId } = route;
  if (model.upstream?.protocol !== "openai") return undefined;
  const created = Math.floor(model.bundle.signedAt / 1_000_000);
  return { id: endpoint, object: "model", created, owned_by: organisationId };
}

/** `GET /v1/models`: two protocols share the path. KServe's clients read `models`, OpenAI's read `data`, where only text models are. */
export function modelListOf(actives: readonly ActiveRoute[]): JsonObject {
  const cards = actives.map(textCardOf).filter((card) => card !== undefined);
  return { models: actives.map(({ route }) => route.endpoint), object: "list", data: cards };
}

export function configOf({ route, requestSignature }: ActiveRoute): JsonObject {
  return modelConfig(route.endpoint, requestSignature, route.cache !== null);
}

export function statisticsOf(actives: readonly ActiveRoute[], book: StatisticsBook): JsonObject {
  return {
    model_stats: actives.map((active) =>
      book.of(active).describe(active.route.endpoint, String(active.route.model.version)),
    ),
  };
}

/** An entry of the repository index, in the extension's words. */
export interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: "READY" | "UNAVAILABLE";
  readonly reason: string;
}

/** One entry for each version that a request may ask for. */
export function indexOf(actives: readonly ActiveRoute[], readyOnly: boolean, ageMs: number): IndexEntry[] {
  return actives
    .flatMap(addressable)
    .map((active): IndexEntry => {
      const readiness = readinessOf(active, ageMs);
      return {
        name: active.route.endpoint,
        version: String(active.route.model.version),
        state: readiness.ready ? "READY" : "UNAVAILABLE",
        reason: readiness.ready ? "" : readiness.problem,
      };
    })
    .filter((entry) => !readyOnly || entry.state === "READY");
}

/**
 * What the repository extension may do here. Which models are served is decided by signed deployments, so a client
 * can have a model loaded that is deployed (it is already), and change nothing.
 *
 * @throws PortolanError `serving.repository_governed`
 */
export function judgeRepositoryChange(
  active: ActiveRoute,
  change: "load" | "unload",
  hasParameters: boolean,
  ageMs: number,
): void {
  if (change === "load" && !hasParameters) {
    const readiness = readinessOf(active, ageMs);
    if (readiness.ready) return;
    throw fault("serving.model_unavailable", `failed to load: ${readiness.problem}`, "Try again later.");
  }
  throw fault(
    "serving.repository_governed",
    change === "unload"
      ? "failed to unload: models leave by a deployment."
      : "failed to load with overrides.",
    "Deploy another version, or remove the endpoint, through control: every change is signed and on the ledger.",
  );
}
