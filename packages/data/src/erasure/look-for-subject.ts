import type { CallContext, UnitOfWork } from "@portolan/kernel";
import { coveredBy } from "../holds/covered-by.ts";
import { activeHolds } from "../holds/hold-store.ts";
import { datasetPlace } from "./data-places.ts";
import type {
  DirectPlace,
  ErasureScope,
  RowObject,
  RowPlace,
  TrainedModel,
  TrainedModels,
} from "./places.ts";
import type { FoundItem } from "./report.ts";
import { findSources } from "./search-sources.ts";
import { countRows, type FoundRows, type ObjectReader } from "./survey.ts";

export interface LookDeps {
  readonly uow: UnitOfWork;
  /** In the order in which they are erased: what is told by rows of another object comes before that object. */
  readonly rowPlaces: readonly RowPlace[];
  readonly directPlaces: readonly DirectPlace[];
  readonly models: TrainedModels;
}

/** Where a subject's data lie. It does not hold the subject itself. */
export interface Survey {
  readonly objects: readonly (FoundRows & { readonly place: string })[];
  /** All of it for the report, held or not. */
  readonly items: readonly FoundItem[];
  readonly models: readonly TrainedModel[];
  /** Contracts with data that do not say which column names a data subject. */
  readonly unmarked: readonly string[];
  /** Sources of which nothing tells whose they are. */
  readonly untold: readonly string[];
}

/** Looks through all places; nothing is changed. */
export async function lookForSubject(
  deps: LookDeps,
  reader: ObjectReader,
  call: CallContext,
  scope: ErasureScope,
  onProgress: (note: string) => Promise<void>,
): Promise<Survey> {
  const holds = await deps.uow.read(call, (sql) => activeHolds(sql, scope.organisationId));
  const heldBy = (data: Parameters<typeof coveredBy>[1], own: readonly string[] = []) => {
    const held = [...coveredBy(holds, data), ...own];
    return held.length === 0 ? {} : { heldBy: held };
  };
  const listed: (RowObject & { place: string })[] = [];
  for (const place of deps.rowPlaces)
    for (const object of await deps.uow.read(call, (sql) => place.list(sql, scope)))
      listed.push({ ...object, place: place.name });
  await onProgress(`looking through ${new Set(listed.map(({ digest }) => digest)).size} objects`);
  const sources = await findSources(reader, scope.subject, listed);
  const objects = [...(await countRows(reader, scope.subject, listed)), ...sources.found];
  const items: FoundItem[] = objects.map((object) => ({
    place: object.place,
    owner: object.owner,
    what: object.what,
    rows: object.rows,
    environment: object.environment,
    ...(object.isWhole ? { whole: true as const } : {}),
    ...heldBy(object),
  }));
  for (const place of deps.directPlaces) {
    await onProgress(`looking through ${place.name}`);
    for (const { heldBy: own, contract, useCaseId, ...finding } of await place.find(call, scope))
      items.push({
        place: place.name,
        ...finding,
        ...heldBy(
          {
            ...finding,
            ...(contract === undefined ? {} : { contract }),
            ...(useCaseId === undefined ? {} : { useCaseId }),
          },
          own,
        ),
      });
  }
  const sets = objects.map(({ owner }) => owner).filter((owner) => owner.startsWith("ts_"));
  return {
    objects,
    items,
    models: await deps.uow.read(call, (sql) =>
      deps.models.trainedOn(sql, scope.organisationId, [...new Set(sets)]),
    ),
    untold: linesOf(sources.untold),
    unmarked: await deps.uow.read(call, (sql) => unmarkedContracts(sql, scope)),
  };
}

/** As reports say it: a line of each contract. */
function linesOf(untold: readonly RowObject[]): string[] {
  const ofContract = Map.groupBy(untold, ({ what }) => what);
  return [...ofContract].map(([what, sources]) => {
    const owners = [...new Set(sources.map(({ owner }) => owner))].toSorted();
    const more = owners.length > 3 ? ` and ${owners.length - 3} more` : "";
    return `${what}: no column tells whose it is, and the name is too short to look for it as a word (${owners.slice(0, 3).join(", ")}${more})`;
  });
}

async function unmarkedContracts(
  sql: Parameters<RowPlace["list"]>[0],
  scope: ErasureScope,
): Promise<string[]> {
  const listed = await datasetPlace.list(sql, scope);
  const unmarked = listed.filter(({ match }) => match?.kind === "columns" && match.columns.length === 0);
  return [...new Set(unmarked.flatMap(({ contract }) => contract ?? []))].toSorted();
}
