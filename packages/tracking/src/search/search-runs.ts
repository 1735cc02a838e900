import type { CallContext } from "@portolan/kernel";
import type { ExperimentDeps } from "../find-run.ts";
import type { TrackedRun } from "../ports.ts";
import { visibleExperiments } from "../read-experiment.ts";
import { nameTag } from "../run-tags.ts";
import { readRunsData, type StoredRun } from "../store.ts";
import { offsetOf, tokenOf } from "./page-token.ts";
import { parseOrdering, parseRunFilter } from "./run-filter.ts";
import { type RunView, searchRuns } from "./search-store.ts";

export type SearchDeps = ExperimentDeps;

export interface RunQuestion {
  readonly experimentIds: readonly string[];
  readonly filter: string;
  readonly orderBy: readonly string[];
  readonly maxResults: number;
  readonly pageToken?: string;
  readonly view: RunView;
}

/** One page of runs, each with all that was logged to it but its points. */
export interface RunPage {
  readonly runs: readonly { readonly run: TrackedRun; readonly data: StoredRun }[];
  readonly nextPageToken?: string;
}

/**
 * Runs of the experiments that the caller may see, by MLflow's grammar. A trainer finds its own run at most.
 *
 * @throws PortolanError `tracking.invalid_value` for a filter, an order or a page token that is none
 */
export async function findRuns(deps: SearchDeps, call: CallContext, question: RunQuestion): Promise<RunPage> {
  const { experimentIds, filter, orderBy, maxResults, pageToken, view } = question;
  const { organisationId, credential } = call.actor;
  const clauses = parseRunFilter(filter);
  const orderings = orderBy.map(parseOrdering);
  const offset = pageToken ? offsetOf(pageToken) : 0;
  const experiments = await visibleExperiments(deps, call, experimentIds);
  const ownRun = credential?.kind === "run_token" ? { onlyRun: credential.runId } : {};
  return deps.work.read(call, async (sql) => {
    const most = maxResults + 1;
    const asked = {
      organisationId,
      experiments,
      clauses,
      orderings,
      nameKey: nameTag,
      most,
      offset,
      view,
      ...ownRun,
    };
    const found = await searchRuns(sql, asked);
    const page = found.slice(0, maxResults);
    const data = await readRunsData(
      sql,
      page.map(({ run }) => run.id),
    );
    const runs = page.flatMap(({ run }) => {
      const stored = data.get(run.id);
      return stored ? [{ run, data: stored }] : [];
    });
    return { runs, ...(found.length > maxResults ? { nextPageToken: tokenOf(offset + maxResults) } : {}) };
  });
}
