import { join } from "node:path";
import {
  type DataDeps,
  type DirectPlace,
  dataPlaces,
  discardHandler,
  type EraseJobDeps,
  eraseJob,
  eventPlace,
  isContractReference,
  type RowPlace,
  subjectColumnNames,
  type TextSearch,
} from "@portolan/data";
import { type ErasureScope, hasWord, type RowMatch, type RowObject } from "@portolan/data/contract";
import { listOpenJobs, searchText } from "@portolan/database";
import {
  type FeatureDeps,
  featurePlaces,
  followQueue,
  materializeQueue,
  onlinePlace,
  onlineSearch,
  refoldPlace,
  trainingSetQueue,
} from "@portolan/features";
import {
  addMicros,
  type ByteRemoval,
  type CallContext,
  type Digest,
  type Id,
  type JobHandler,
  newId,
  type Sql,
  systemActor,
  type UnitOfWork,
} from "@portolan/kernel";
import {
  countSubjectRecords,
  erasePredictions,
  type PredictionsDeps,
  searchPayloads,
} from "@portolan/predictions";
import { createByteRemoval, versionsTrainedOn } from "@portolan/registry";
import { listScored, type ScoredObject, scoringQueue, withdrawScored } from "@portolan/scoring";
import { loggedTexts, trackedFileNames } from "@portolan/tracking";
import { runObjectNames } from "@portolan/training";
import type { Foundation } from "./foundation.ts";

/** Jobs that make something of stored rows, which would bring a subject back once its rows are gone. */
const derivingQueues = [followQueue, trainingSetQueue, materializeQueue, scoringQueue];

export interface ErasureWiring {
  readonly jobs: readonly JobHandler[];
  /** What the reconciler does. */
  readonly intents: readonly ReturnType<typeof discardHandler>[];
  /** Finishes removals of bytes that were cut off; for a round of control's own. Resolves to how many. */
  readonly finishRemovals: () => Promise<number>;
}

/** A removal that takes longer was cut off: its order was cancelled, its disk or its database away. */
const removalMicros = 60_000_000;

/** Every place of the product where data subjects may be, for `portolan data erase`. */
export function wireErasure(
  base: Foundation,
  { engine, online }: Pick<FeatureDeps, "engine" | "online">,
  { bytes }: Pick<DataDeps, "bytes">,
  predictions: PredictionsDeps,
): ErasureWiring {
  const { work: uow, objects, config } = base;
  const workFolder = join(config.PORTOLAN_HOME, "work");
  const folds = { uow, objects, engine, online, workFolder };
  const deps: EraseJobDeps = {
    uow,
    objects,
    engine,
    workFolder,
    bytes,
    // What is told by rows of another object comes before that object.
    rowPlaces: [scoredPlace(bytes), ...featurePlaces, ...dataPlaces],
    directPlaces: [
      eventPlace({ uow }),
      onlinePlace({ uow, online }),
      refoldPlace(folds),
      predictionPlace(uow, predictions),
    ],
    models: {
      trainedOn: async (sql, organisationId, sets) =>
        (await versionsTrainedOn(sql, organisationId, sets)).map(({ model, version, stages, lineage }) => ({
          model,
          version,
          stages,
          trainingSetId: lineage.trainingSetId ?? "",
        })),
    },
    inFlight: (sql, { organisationId, environments }) =>
      listOpenJobs(sql, { organisationId, environments, queues: derivingQueues }),
    searches: [payloadSearch(predictions), onlineSearch({ uow, online }), tableSearch(base), runSearch(base)],
    names: [{ named: trackedFileNames }, { named: runObjectNames }],
  };
  return {
    jobs: [eraseJob(deps)],
    intents: [discardHandler(bytes)],
    finishRemovals: () => finishRemovals(base, bytes),
  };
}

/** Bytes of the object store, and who holds them beside those that note it. */
export function wireByteRemoval({ work, objects }: Foundation): ByteRemoval {
  return createByteRemoval({ work, objects, otherHolders: [isContractReference] });
}

/** Bytes are kept once for all organisations: it is done for none of them. */
function finishRemovals({ clock }: Foundation, bytes: ByteRemoval): Promise<number> {
  const now = clock.now();
  const call = {
    actor: systemActor("control", "" as Id<"organisation">),
    requestId: newId("request", now),
  };
  return bytes.finishRemovals(call, addMicros(now, -removalMicros));
}

/** Scores: made of what is erased, and made again of what is left where somebody needs them. Those of runs that failed or were cancelled, too. */
function scoredPlace(bytes: ByteRemoval): RowPlace {
  return {
    name: "scored snapshots",
    list: async (sql, scope) => {
      const sources = await sourcesByOwner(sql, scope);
      const held = await bytes.held(sql, scope.organisationId, scope.environments);
      const there = new Set<string>(held.map(({ digest }) => digest));
      const listed = await listScored(sql, scope.organisationId, scope.environments);
      return listed.flatMap((scored): RowObject[] => {
        const source = sources.get(scored.of.id);
        // An earlier order removed what is held no more.
        if (!source || !there.has(scored.object)) return [];
        return [
          {
            digest: scored.object as Digest,
            owner: scored.runId,
            what: `scored snapshot ${scored.name}`,
            environment: scored.environment,
            useCaseId: scored.useCaseId,
            isWhole: true,
            match: matchOfScores(scored, source),
          },
        ];
      });
    },
    succeed: async (tx, { environments }, { before, after }) => {
      if (!after) await withdrawScored(tx, environments, before);
    },
  };
}

/** Bytes of a dataset or a training set as they are now, and how the subject's rows are told in them. */
type Source = Pick<RowObject, "digest"> & { readonly match: RowMatch };

/**
 * By the row that was scored; and by the subject's columns beside the scores, for what was scored may be others' rows alone by now, or gone. Scores of
 * bytes that are others since were begun before somebody's rows went: nothing tells theirs any more, and all of them go.
 */
function matchOfScores({ of, keys }: ScoredObject, { digest, match }: Source): RowMatch {
  if (digest !== of.object) return { kind: "all" };
  const byRow: RowMatch = { kind: "rows_of", object: digest, match, by: "position" };
  const beside = match.kind === "columns" ? keys.filter((key) => match.columns.includes(key)) : [];
  return beside.length === 0 ? byRow : { kind: "any", of: [byRow, { kind: "columns", columns: beside }] };
}

async function sourcesByOwner(
  sql: Sql,
  scope: Parameters<RowPlace["list"]>[1],
): Promise<Map<string, Source>> {
  const sources = new Map<string, Source>();
  for (const place of [...featurePlaces, ...dataPlaces])
    for (const { owner, digest, match } of await place.list(sql, scope))
      if (match) sources.set(owner, { digest, match });
  return sources;
}

/** Payloads of predictions about the data subject, and what was reported of them later. */
function predictionPlace(work: UnitOfWork, predictions: PredictionsDeps): DirectPlace {
  /** Whom callers named, and who stands in inputs that are called as the columns which name data subjects. */
  const queryOf = async (call: CallContext, { organisationId, subject, columns }: ErasureScope) => ({
    subject,
    columns: await work.read(call, (sql) => subjectColumnNames(sql, organisationId, columns)),
  });
  return {
    name: "predictions and outcomes",
    find: async (call, scope) =>
      (await countSubjectRecords(predictions, call, await queryOf(call, scope), scope.environments)).map(
        ({ environment, useCaseId, records, holds }) => ({
          owner: useCaseId,
          what: "predictions",
          rows: records,
          environment,
          useCaseId,
          ...(holds.length === 0 ? {} : { heldBy: holds }),
        }),
      ),
    erase: async (call, scope, reason) =>
      (await erasePredictions(predictions, call, await queryOf(call, scope), reason, scope.environments))
        .erased,
  };
}

/** Names in what was asked and answered, where the caller did not say whom it is about. */
function payloadSearch(predictions: PredictionsDeps): TextSearch {
  return {
    name: "payloads of predictions",
    search: async (call, { subject, environments }) => {
      const isIn = (text: string): boolean => hasWord(text, subject);
      const { looked, hits, predictionIds } = await searchPayloads(predictions, call, environments, {
        name: subject,
        isIn,
      });
      const what = `${predictionIds.join(", ")}${hits > predictionIds.length ? ", …" : ""}`;
      return { looked, found: hits === 0 ? [] : [{ what, hits }] };
    },
  };
}

/** What was logged to runs beside files: their tables belong to a run, and by it to an organisation. */
function runSearch({ work }: Foundation): TextSearch {
  return {
    name: "records of runs",
    search: (call, { organisationId, environments, subject }) =>
      work.read(call, async (sql) => {
        const { runs, found } = await loggedTexts(sql, { organisationId, environments, part: subject });
        const hits = found.filter(({ text }) => hasWord(text, subject));
        const byWhat = [...Map.groupBy(hits, ({ what }) => what)];
        return { looked: runs, found: byWhat.map(([what, same]) => ({ what, hits: same.length })) };
      }),
  };
}

/** The order itself holds the subject until it is done. */
const order = "data.erasures";

function tableSearch({ work }: Foundation): TextSearch {
  return {
    name: "tables of the database",
    search: (call, { organisationId, subject }) =>
      work.read(call, async (sql) => {
        const { tables, found } = await searchText(sql, { organisationId, text: subject, except: [order] });
        return { looked: tables, found: found.map(({ table, rows }) => ({ what: table, hits: rows })) };
      }),
  };
}
