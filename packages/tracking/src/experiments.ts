import {
  asPlace,
  type CallContext,
  canonicalBytes,
  digestBytes,
  environments,
  newId,
  PortolanError,
  type RecordBatch,
  type Transaction,
} from "@portolan/kernel";
import { checkBatch, limits } from "./check-values.ts";
import type { KeyValue } from "./contract.ts";
import type { TrackingErrorCode } from "./errors.ts";
import { experimentIdOf, parseExperimentId } from "./experiment-id.ts";
import {
  type DatasetSummary,
  listDatasets,
  readExperimentTags,
  removeExperimentTag,
  setExperimentTag,
} from "./experiments-store.ts";
import { type ExperimentDeps, findRun } from "./find-run.ts";
import { readExperiment, visibleExperiments } from "./read-experiment.ts";
import {
  type FilteredExperiment,
  parseExperimentFilter,
  parseExperimentOrder,
} from "./search/experiment-filter.ts";
import { offsetOf, tokenOf } from "./search/page-token.ts";

export interface ExperimentQuestion {
  readonly filter: string;
  readonly orderBy: readonly string[];
  readonly maxResults: number;
  readonly pageToken?: string;
}

export interface ExperimentPage {
  readonly experiments: readonly FilteredExperiment[];
  readonly nextPageToken?: string;
}

/**
 * Experiments whose runs the caller may read: every use case in every environment that the credential reaches, and those of the
 * organisation. A trainer finds its own run's.
 *
 * @throws PortolanError `tracking.invalid_value` for a filter, an order or a page token that is none
 */
export async function searchExperiments(
  deps: ExperimentDeps,
  call: CallContext,
  { filter, orderBy, maxResults, pageToken }: ExperimentQuestion,
): Promise<ExperimentPage> {
  const matches = parseExperimentFilter(filter);
  const compare = parseExperimentOrder(orderBy);
  const begin = pageToken ? offsetOf(pageToken) : 0;
  const candidates = (await allExperiments(deps, call)).filter(matches).toSorted(compare);
  const found: FilteredExperiment[] = [];
  // Asked one by one, and no more than the page needs: the token says how far the candidates have been looked at.
  for (let at = begin; at < candidates.length; at++) {
    const candidate = candidates[at];
    if (candidate === undefined || !(await mayRead(deps, call, candidate.id))) continue;
    if (found.length === maxResults) return { experiments: found, nextPageToken: tokenOf(at) };
    found.push(candidate);
  }
  return { experiments: found };
}

async function allExperiments(deps: ExperimentDeps, call: CallContext): Promise<FilteredExperiment[]> {
  const { organisationId, credential, environments: reached } = call.actor;
  const useCases = await deps.useCases.list(organisationId);
  const named = environments
    .filter((environment) => reached.includes(environment))
    .flatMap((environment) => [
      { id: experimentIdOf({ organisationId, environment }), name: `${organisationId}/${environment}` },
      ...useCases.map(({ id, name, createdAt }) => ({
        id: experimentIdOf({ organisationId, useCaseId: id, environment }),
        name: `${name}/${environment}`,
        createdMs: Math.floor(createdAt / 1000),
      })),
    ]);
  const own =
    credential?.kind === "run_token"
      ? experimentIdOf({ ...(await findRun(deps, call, credential.runId)), organisationId })
      : undefined;
  const seen = own === undefined ? named : named.filter(({ id }) => id === own);
  const tags = await deps.work.read(call, (sql) =>
    readExperimentTags(
      sql,
      organisationId,
      seen.map(({ id }) => id),
    ),
  );
  return seen.map((one) => ({ ...one, tags: tags.get(one.id) ?? [] }));
}

/** Decided, not required: an experiment that a list leaves out is no refusal. */
async function mayRead(deps: ExperimentDeps, call: CallContext, id: string): Promise<boolean> {
  const { organisationId, credential } = call.actor;
  if (credential?.kind === "run_token") return true;
  const experiment = parseExperimentId(organisationId, id);
  if (experiment === undefined) return false;
  const { environment, useCaseId } = experiment;
  const resource = { type: "TrainingRun", organisationId, environment, ...asPlace({ useCaseId }) };
  return (await deps.authorizer.decide(call, "training:read", resource)).allowed;
}

interface TagDeps extends ExperimentDeps {
  readonly recordBatch: RecordBatch;
}

/**
 * Says something of an experiment, by whoever may make runs in it.
 *
 * @throws PortolanError `tracking.experiment_not_found`, `tracking.invalid_value`, `tracking.too_much_logged`, and what the authorizer
 * throws
 */
export async function tagExperiment(
  deps: TagDeps,
  call: CallContext,
  experimentId: string,
  tag: KeyValue,
): Promise<void> {
  checkBatch({ metrics: [], params: [], tags: [tag] });
  await changeTag(
    deps,
    call,
    { experimentId, event: "tracking.experiment.tagged", content: tag },
    async (tx, found) => {
      const { organisationId } = call.actor;
      const count = await setExperimentTag(tx.sql, { organisationId, experimentId: found }, tag);
      if (count <= limits.runKeys.tags) return;
      throw new PortolanError<TrackingErrorCode>("tracking.too_much_logged", {
        detail: `one experiment has at most ${limits.runKeys.tags} tags`,
        mend: "Delete those that nobody reads.",
      });
    },
  );
}

/** @throws PortolanError `tracking.tag_not_found`, and as `tagExperiment` does */
export async function untagExperiment(
  deps: TagDeps,
  call: CallContext,
  experimentId: string,
  key: string,
): Promise<void> {
  checkBatch({ metrics: [], params: [], tags: [{ key, value: "" }] });
  await changeTag(
    deps,
    call,
    { experimentId, event: "tracking.experiment.untagged", content: { key } },
    async (tx, found) => {
      const { organisationId } = call.actor;
      if (await removeExperimentTag(tx.sql, { organisationId, experimentId: found }, key)) return;
      throw new PortolanError<TrackingErrorCode>("tracking.tag_not_found", {
        detail: `the experiment ${experimentId} has no tag ${JSON.stringify(key)}`,
      });
    },
  );
}

interface TagChange {
  readonly experimentId: string;
  readonly event: string;
  readonly content: { readonly key: string; readonly value?: string };
}

async function changeTag(
  deps: TagDeps,
  call: CallContext,
  { experimentId: asked, event, content }: TagChange,
  effect: (tx: Transaction, experimentId: string) => Promise<void>,
): Promise<void> {
  const { organisationId } = call.actor;
  // A trainer is no one of the experiment: its token is for its run.
  const { id: experimentId } = await readExperiment(deps, call, asked);
  const experiment = parseExperimentId(organisationId, experimentId);
  const resource = {
    type: "ClientRun",
    organisationId,
    ...(experiment && {
      environment: experiment.environment,
      ...asPlace({ useCaseId: experiment.useCaseId }),
    }),
  };
  await deps.authorizer.require(call, "training:track", resource);
  await deps.work.write(call, async (tx) => {
    await effect(tx, experimentId);
    const digest = digestBytes(canonicalBytes({ ...content }));
    const key = `tracking:${experimentId}:${newId("request", tx.now)}`;
    await deps.recordBatch(tx, { event, subject: experimentId, digest, count: 1, key });
  });
}

/** What one answer holds at most, as MLflow's server has it. */
const mostSummaries = 1_000;

/** Data sets that runs of these experiments say they read; of experiments that the caller does not see it says nothing. */
export async function findDatasets(
  deps: ExperimentDeps,
  call: CallContext,
  experimentIds: readonly string[],
): Promise<readonly (DatasetSummary & { readonly experimentId: string })[]> {
  const { credential } = call.actor;
  const onlyRun = credential?.kind === "run_token" ? { onlyRun: credential.runId } : {};
  const seen = await visibleExperiments(deps, call, experimentIds);
  return deps.work.read(call, async (sql) => {
    const summaries: (DatasetSummary & { experimentId: string })[] = [];
    for (const experiment of seen) {
      const most = mostSummaries - summaries.length;
      if (most === 0) break;
      const found = await listDatasets(sql, experiment, { ...onlyRun, most });
      summaries.push(...found.map((one) => ({ ...one, experimentId: experimentIdOf(experiment) })));
    }
    return summaries;
  });
}
