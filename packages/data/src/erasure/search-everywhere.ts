import type { ByteRemoval, CallContext, Digest, UnitOfWork } from "@portolan/kernel";
import type { ErasureScope, ObjectNames, TextSearch } from "./places.ts";
import type { ErasureReport } from "./report.ts";
import { searchObjects } from "./search-objects.ts";
import type { ObjectReader } from "./survey.ts";
import { hasWord, isTooShort, leastWord } from "./word-pattern.ts";

export interface SearchDeps {
  readonly uow: UnitOfWork;
  readonly bytes: ByteRemoval;
  readonly searches: readonly TextSearch[];
  /** How people call what is stored: files of runs. */
  readonly names: readonly ObjectNames[];
}

export type SearchResult = Pick<ErasureReport, "searched" | "remains" | "notSearched">;

/** What no search from here comes to. */
const beyondReach = [
  "backups that were made before: a restore brings the rows back, erase again after it",
  "files in source folders, exports, and copies that somebody downloaded",
  "gateways' own files of predictions that control has not accepted yet",
  "free pages of the database, its log and the online store, until they are written over",
  "what models, profiles and aggregates learned from the rows, and values that evaluations were sliced by",
];

/** Objects that could not be looked into, which a report names one by one. */
const mostNamed = 200;

/**
 * Looks for the subject's name as a word in all bytes that the organisation holds in the order's environments, and wherever the other
 * searches look. A name of fewer characters than stand in any text by chance is looked for nowhere, and the result says so.
 */
export async function searchEverywhere(
  deps: SearchDeps,
  reader: ObjectReader,
  call: CallContext,
  scope: ErasureScope,
  onProgress: (note: string) => Promise<void>,
): Promise<SearchResult> {
  if (isTooShort(scope.subject))
    return {
      searched: [],
      remains: [],
      notSearched: [
        `texts and dead letters: a name of fewer than ${leastWord} characters stands in them by chance; the columns that name data subjects were looked at`,
        ...beyondReach,
      ],
    };
  const held = await deps.uow.read(call, (sql) =>
    deps.bytes.held(sql, scope.organisationId, scope.environments),
  );
  const kinds = Map.groupBy(held, ({ digest }) => digest);
  const remains: { where: string; what: string; hits: number }[] = [];
  const searched = [{ where: "stored objects", looked: kinds.size }];
  const { hits, unopened } = await searchObjects(reader, [...kinds.keys()], scope.subject, {
    columns: "all",
    onProgress: (looked) => onProgress(`searching objects (${looked} of ${kinds.size})`),
  });
  const nameOf = await namesOf(deps, call, scope, [...hits.keys(), ...unopened.keys()]);
  const called = (digest: Digest): string =>
    `${nameOf.get(digest) ?? [...new Set(kinds.get(digest)?.map(({ kind }) => kind))].join(", ")} ${digest}`;
  for (const [digest, count] of hits)
    remains.push({ where: "stored objects", what: called(digest), hits: count });
  for (const search of deps.searches) {
    await onProgress(`searching ${search.name}`);
    const result = await search.search(call, scope);
    searched.push({ where: search.name, looked: result.looked });
    remains.push(...result.found.map((found) => ({ where: search.name, ...found })));
  }
  const closed = [...unopened].map(([digest, why]) => `${called(digest)}: ${why}`).toSorted();
  const more = closed.length - mostNamed;
  return {
    searched,
    remains,
    notSearched: [
      ...closed.slice(0, mostNamed),
      ...(more > 0 ? [`${more} more objects that are packed or encrypted`] : []),
      ...beyondReach,
    ],
  };
}

/** By digest; a name in which the subject's stands is none: the report stays, and does not say whose it is. */
async function namesOf(
  { uow, names }: Pick<SearchDeps, "uow" | "names">,
  call: CallContext,
  { organisationId, subject }: ErasureScope,
  digests: readonly Digest[],
): Promise<ReadonlyMap<string, string>> {
  if (digests.length === 0) return new Map();
  const found = await uow.read(call, async (sql) => {
    const all: { readonly digest: string; readonly name: string }[] = [];
    for (const one of names) all.push(...(await one.named(sql, organisationId, digests)));
    return all;
  });
  const sayable = found.filter(({ name }) => !hasWord(name, subject));
  return new Map(
    [...Map.groupBy(sayable, ({ digest }) => digest)].map(([digest, same]) => [
      digest,
      [...new Set(same.map(({ name }) => name))].toSorted().slice(0, 3).join(", "),
    ]),
  );
}
