import {
  type DirectPlace,
  type ErasureScope,
  type Finding,
  hasWord,
  type RowMatch,
  type RowObject,
  type RowPlace,
  type TextSearch,
} from "@portolan/data/contract";
import type { Digest, Sql, UnitOfWork } from "@portolan/kernel";
import { keyColumns } from "../log/log-sql.ts";
import { logsWithin, noteErasedLines, renameInLog, type StoredLog } from "../log/log-store.ts";
import { onlineHeader } from "../online-header.ts";
import type { EntityPart, OnlineStore, OnlineViewKey } from "../ports.ts";
import { findView } from "../store.ts";
import { type EventView, hasLog, isEventView, type LogView } from "../view-model.ts";
import {
  datasetContracts,
  listAllViews,
  readySets,
  replaceManifest,
  subjectColumnsByContract,
} from "./subject-store.ts";

/** Training sets: their rows are told by those of the dataset that they were built from. */
const trainingSetPlace: RowPlace = {
  name: "training sets",
  list: async (sql, scope) => {
    const columns = await subjectColumnsByContract(sql, scope.organisationId, scope.columns);
    const datasets = await datasetContracts(sql, scope.organisationId);
    const sets = await readySets(sql, scope.organisationId, scope.environments);
    return sets.flatMap(({ id, environment, request, manifest }): RowObject[] => {
      const dataset = datasets.get(manifest.datasetId);
      if (!dataset) return [];
      const has = new Set(dataset.columns.map(({ name }) => name));
      const subject = (columns.get(dataset.contract) ?? []).filter((name) => has.has(name));
      if (subject.length === 0) return [];
      return [
        {
          digest: manifest.object as Digest,
          owner: id,
          what: `training set ${request.name}`,
          environment,
          contract: dataset.contract,
          ...(request.useCaseId === undefined ? {} : { useCaseId: request.useCaseId }),
          match: {
            kind: "rows_of",
            object: manifest.dataset as Digest,
            match: { kind: "columns", columns: subject },
            by: "_row",
          },
        },
      ];
    });
  },
  succeed: async (tx, scope, { before, after }) => {
    if (!after) return;
    for (const { id, manifest } of await readySets(tx.sql, scope.organisationId, scope.environments)) {
      if (manifest.object !== before && manifest.dataset !== before) continue;
      const { nulls, statuses, ...rest } = manifest;
      await replaceManifest(tx.sql, id, {
        ...rest,
        // Which of the erased rows' cells were null is not told apart.
        ...(manifest.object === before || nulls === undefined ? {} : { nulls }),
        ...(manifest.object === before || statuses === undefined ? {} : { statuses }),
        ...(manifest.dataset === before ? { dataset: after.digest } : {}),
        ...(manifest.object === before
          ? { object: after.digest, sizeBytes: after.sizeBytes, rowsAfter: after.rowCount }
          : {}),
      });
    }
  },
};

/** Records of feature logs whose entity is the subject, and lines of events that were made of rows of the subject. */
const featureLogPlace: RowPlace = {
  name: "feature logs",
  list: async (sql, scope) => {
    const subjects = await subjectColumnsByContract(sql, scope.organisationId, scope.columns);
    const datasets = await datasetContracts(sql, scope.organisationId);
    const found: RowObject[] = [];
    for (const { log, segments } of await logsWithin(sql, scope.organisationId, scope.environments)) {
      const [name = "", version = ""] = log.view.split("@");
      const view = (await findView(sql, scope.organisationId, name, Number(version)))?.body;
      if (!view || !hasLog(view)) continue;
      const named = subjects.get(log.source) ?? [];
      for (const segment of segments) {
        const has = datasets.get(segment.dataset_id)?.columns.map((column) => column.name) ?? [];
        const match = matchOf(view, named, { object: segment.dataset as Digest, has });
        if (match)
          found.push({
            digest: segment.object as Digest,
            owner: log.id,
            what: `segment ${segment.number} of the log of ${log.view}`,
            environment: log.environment,
            contract: log.source,
            ...(log.use_case_id === null ? {} : { useCaseId: log.use_case_id }),
            match,
          });
      }
    }
    return found;
  },
  succeed: async (tx, scope, { before, after }) => {
    if (!after) return;
    for (const { log, segments } of await logsWithin(tx.sql, scope.organisationId, scope.environments)) {
      if (!segments.some(({ object, dataset }) => object === before || dataset === before)) continue;
      await renameInLog(tx.sql, log, ({ object, dataset }) => ({
        ...(object === before
          ? { object: after.digest, size_bytes: after.sizeBytes, record_count: after.rowCount }
          : {}),
        // A dataset that was written anew is the one that the log has taken in: it is not another one.
        ...(dataset === before ? { dataset: after.digest } : {}),
      }));
      // Of values the store forgets whose they are; events that somebody else's key has are in sums.
      const erased = segments.some(({ object }) => object === before);
      if (erased && (await eventViewOf(tx.sql, log))) await noteErasedLines(tx.sql, log.id, tx.now);
    }
  },
};

/** The view of a log of events; `undefined` of a log of values. */
export async function eventViewOf(sql: Sql, log: StoredLog): Promise<EventView | undefined> {
  const [name = "", version = ""] = log.view.split("@");
  const view = (await findView(sql, log.organisation_id, name, Number(version)))?.body;
  return view && isEventView(view) ? view : undefined;
}

/** Of events a line tells whose it is by its key, or by the row of the dataset that it was made of. */
function matchOf(
  view: LogView,
  named: readonly string[],
  dataset: { readonly object: Digest; readonly has: readonly string[] },
): RowMatch | undefined {
  const keys = keyColumns(view).filter((_, index) => named.includes(view.entity[index]?.column ?? ""));
  const byKey: RowMatch = { kind: "columns", columns: keys };
  const columns = dataset.has.filter((name) => named.includes(name));
  const isWhole = isEventView(view) && view.identity.columns.every((name) => dataset.has.includes(name));
  if (!isWhole || columns.length === 0) return keys.length === 0 ? undefined : byKey;
  const byRow: RowMatch = {
    kind: "rows_of",
    object: dataset.object,
    match: { kind: "columns", columns },
    by: view.identity,
  };
  return { kind: "any", of: [byKey, byRow] };
}

/** In the order in which they are erased: before the datasets that their rows are told by. */
export const featurePlaces: readonly RowPlace[] = [trainingSetPlace, featureLogPlace];

/** Values of the subject in the online store, by views whose entity a contract marks as naming one. */
export function onlinePlace({
  uow,
  online,
}: {
  readonly uow: UnitOfWork;
  readonly online: Pick<OnlineStore, "countEntities" | "forgetEntities">;
}): DirectPlace {
  return {
    name: "online values",
    find: async (call, scope) => {
      const found: Finding[] = [];
      for (const { header, named, source } of await uow.read(call, (sql) => namedViews(sql, scope))) {
        const rows = await online.countEntities(header, named);
        if (rows > 0)
          found.push({
            owner: header.view,
            what: `values of ${header.view}`,
            rows,
            environment: header.environment as ErasureScope["environments"][number],
            contract: source,
          });
      }
      return found;
    },
    erase: async (call, scope) => {
      let gone = 0;
      for (const { header, named } of await uow.read(call, (sql) => namedViews(sql, scope)))
        gone += await online.forgetEntities(header, named);
      return gone;
    },
  };
}

/** The subject's name as a word in whatever the online store keeps, of every view: also where no contract says that a key names somebody. */
export function onlineSearch({
  uow,
  online,
}: {
  readonly uow: UnitOfWork;
  readonly online: Pick<OnlineStore, "textsOf">;
}): TextSearch {
  return {
    name: "the online store",
    search: async (call, { organisationId, environments, subject }) => {
      const views = await uow.read(call, (sql) => listAllViews(sql, organisationId));
      const found: { what: string; hits: number }[] = [];
      let looked = 0;
      for (const environment of environments)
        for (const { body: view } of views) {
          const header = onlineHeader({ organisationId, environment, view });
          let hits = 0;
          for await (const text of online.textsOf(header)) {
            looked += 1;
            if (hasWord(text, subject)) hits += 1;
          }
          if (hits > 0) found.push({ what: `${header.view} in ${environment}`, hits });
        }
      return { looked, found };
    },
  };
}

interface NamedView {
  readonly header: OnlineViewKey;
  readonly named: EntityPart;
  readonly source: string;
}

async function namedViews(sql: Sql, scope: ErasureScope): Promise<NamedView[]> {
  const subjects = await subjectColumnsByContract(sql, scope.organisationId, scope.columns);
  const views = await listAllViews(sql, scope.organisationId);
  return views.flatMap(({ body: view }) =>
    view.entity.flatMap(({ column }, part) =>
      (subjects.get(view.source) ?? []).includes(column)
        ? scope.environments.map((environment) => ({
            header: onlineHeader({ organisationId: scope.organisationId, environment, view }),
            named: { part, parts: view.entity.length, value: scope.subject },
            source: view.source,
          }))
        : [],
    ),
  );
}
