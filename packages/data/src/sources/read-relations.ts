import type { Digest, JobRun } from "@portolan/kernel";
import { readPostgresqlConnection } from "../connections/read-connection.ts";
import type { DataContract } from "../contracts/contract-model.ts";
import type { RelationReader } from "../ports.ts";
import type { SourceView } from "../resources.ts";
import type { SourcePlaces, SourceReader } from "./locate-sources.ts";
import type { ObservedColumn } from "./observe-sources.ts";
import type { SourceFile } from "./source-plan.ts";

export interface RelationPlaces extends SourcePlaces {
  readonly relations: RelationReader;
}

/** What was read of one table; JSON, for it is a step's result. */
type RelationCopy = {
  readonly index: number;
  readonly columns: { readonly name: string; readonly type: string }[];
  readonly object: string;
};

/**
 * Reads the tables among the sources into objects, as JSON lines: those of one connection in one snapshot. What was read is recorded before
 * anything is made of it, so that a job that goes on after a crash judges the same rows, and does not ask the database again.
 *
 * @throws PortolanError `data.connection_failed`, `data.connection_unusable`, `data.source_too_large`, `objectstore.too_large`
 */
export async function readRelations(
  places: RelationPlaces,
  job: JobRun,
  at: SourceReader["at"],
  { sources, contract }: { readonly sources: readonly SourceView[]; readonly contract: DataContract },
): Promise<Map<number, SourceFile>> {
  const copies = new Map<number, SourceFile>();
  const tables = sources.flatMap(({ relation, connection = "" }, index) =>
    relation === undefined ? [] : [{ index, relation, connection }],
  );
  for (const [connection, wanted] of Map.groupBy(tables, (table) => table.connection)) {
    const read = await job.effect(`read ${connection}`, () =>
      readSnapshot(places, job, at, { connection, wanted, contract }),
    );
    await job.step(`hold ${connection}`, async (tx) => {
      const references = read.map(({ object }) => ({ digest: object, kind: "source" }) as const);
      await places.artifacts.note(tx, at, references);
      return null;
    });
    for (const { index, columns, object } of read) {
      const path = await places.objects.localPath(object as Digest);
      const name = sources[index]?.relation ?? "";
      copies.set(index, { path, name, format: "jsonl", relation: columns });
    }
  }
  return copies;
}

async function readSnapshot(
  places: RelationPlaces,
  job: JobRun,
  at: SourceReader["at"],
  from: {
    readonly connection: string;
    readonly wanted: readonly { readonly index: number; readonly relation: string }[];
    readonly contract: DataContract;
  },
): Promise<RelationCopy[]> {
  const use = { organisationId: job.call.actor.organisationId, ...at };
  const open = (relation: string) =>
    readPostgresqlConnection(places.connections, from.connection, relation, use);
  const [first] = from.wanted;
  if (!first) return [];
  const connection = await open(first.relation);
  for (const { relation } of from.wanted) await open(relation);
  await job.progress(0, `reading ${from.wanted.map(({ relation }) => relation).join(", ")}`);
  const names = from.contract.columns.filter(({ localTime }) => !localTime).map(({ source }) => source);
  const snapshots = await places.relations.read(
    connection,
    from.wanted.map(({ relation }) => ({
      relation,
      wanted: names,
      keep: (lines: AsyncIterable<Uint8Array>, maxBytes: number) => places.objects.putStream(lines, maxBytes),
    })),
    job.signal,
  );
  const empty = await places.objects.put(new Uint8Array());
  return snapshots.map(({ columns, kept }, position) => ({
    index: from.wanted[position]?.index ?? 0,
    columns: columns.map(plain),
    object: kept?.digest ?? empty,
  }));
}

function plain({ name, type }: ObservedColumn): { readonly name: string; readonly type: string } {
  return { name, type };
}
