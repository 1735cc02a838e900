import type { DirectPlace, ErasureScope, Finding } from "@portolan/data/contract";
import type { CallContext, EpochMicros } from "@portolan/kernel";
import { type FoldDeps, refoldOnline } from "../log/fold-log.ts";
import { logsToRefold, noteRefolded, type StoredLog } from "../log/log-store.ts";
import { onlineHeader } from "../online-header.ts";
import type { EventView } from "../view-model.ts";
import { eventViewOf } from "./feature-places.ts";

interface Due {
  readonly log: StoredLog;
  readonly view: EventView;
  readonly erasedAt: number;
  readonly asOf: EpochMicros;
}

/**
 * Windows that the online store keeps of events whose lines were erased from their log. An event of the subject may be somebody else's by its
 * key, an airport's for one, and stands in that entity's sums: the view is folded anew of what is left. It is found once its log has lost lines, hence
 * by the order's second look.
 */
export function refoldPlace(deps: FoldDeps): DirectPlace {
  return {
    name: "windows online",
    find: async (call, scope) =>
      (await due(deps, call, scope)).map(
        ({ log }): Finding => ({
          owner: log.id,
          what: `windows of ${log.view}`,
          rows: 1,
          environment: log.environment,
          contract: log.source,
          ...(log.use_case_id === null ? {} : { useCaseId: log.use_case_id }),
        }),
      ),
    erase: async (call, scope) => {
      const found = await due(deps, call, scope);
      for (const { log, view, erasedAt, asOf } of found) {
        await refoldOnline(deps, call, log, view, asOf);
        await deps.uow.write(call, (tx) => noteRefolded(tx.sql, log.id, erasedAt));
      }
      return found.length;
    },
  };
}

/** Those that are online; a log that is not will be folded of what is left. */
async function due(
  { uow, online }: FoldDeps,
  call: CallContext,
  { organisationId, environments }: ErasureScope,
): Promise<Due[]> {
  const found: Due[] = [];
  for (const log of await uow.read(call, (sql) => logsToRefold(sql, organisationId, environments))) {
    const view = await uow.read(call, (sql) => eventViewOf(sql, log));
    if (!view) continue;
    const position = await online.foldPosition(
      onlineHeader({ organisationId, environment: log.environment, view }),
    );
    if (position?.log === log.id) found.push({ log, view, erasedAt: log.erased_at, asOf: position.asOf });
  }
  return found;
}
