import {
  type CallContext,
  type Clock,
  type Id,
  newId,
  PortolanError,
  systemActor,
  type UnitOfWork,
} from "@portolan/kernel";
import {
  handOver,
  isArchived,
  listArchives,
  organisationsToArchive,
  partsToArchive,
} from "./archive-store.ts";
import { addressOfPart, type PartFiles } from "./part-files.ts";

export interface ArchiveDeps {
  readonly uow: UnitOfWork;
  readonly files: PartFiles;
  readonly clock: Clock;
}

/** What charters in force say of the data of their use cases. */
export interface DataClasses {
  /** Use cases whose data is public or internal: of no persons. All others' payloads are sealed. */
  openUseCases(call: CallContext): Promise<readonly string[]>;
}

export interface ArchivePolicy {
  /** An archive takes no further part beyond this. */
  readonly maxRows: number;
  readonly maxBytes: number;
  /** Parts wait until there are so many records, or the oldest was anchored so long ago. */
  readonly fromRows: number;
  readonly fromAgeMs: number;
}

/** A hundred thousand records are some 20 MB of Parquet, made in ten seconds of one core and some 600 MB of memory. */
export const archivePolicy: ArchivePolicy = {
  maxRows: 100_000,
  maxBytes: 128 * 1024 * 1024,
  fromRows: 50_000,
  fromAgeMs: 3_600_000,
};

const maxParts = 2000;
/** Also as it is called while it is written. */
const archiveName = /\/archives\/arc_[0-9a-z]{26}\.parquet/;

export interface ArchiveOptions {
  readonly policy?: ArchivePolicy;
  /** Absent: every archive is sealed, where there are keys. */
  readonly classes?: DataClasses;
  /** Asked between two archives. */
  readonly isStopped?: () => boolean;
}

export interface ArchiveRound {
  readonly archives: number;
  readonly records: number;
}

/** One round for every organisation: what is ripe is archived. */
export async function archivePredictions(
  deps: ArchiveDeps,
  { policy = archivePolicy, classes, isStopped = () => false }: ArchiveOptions = {},
): Promise<ArchiveRound> {
  const nobody = systemCall(deps, "org_00000000000000000000000000" as Id<"organisation">);
  const round = { archives: 0, records: 0 };
  for (const organisationId of await deps.uow.read(nobody, organisationsToArchive)) {
    const call = systemCall(deps, organisationId as Id<"organisation">);
    const openUseCases = (await classes?.openUseCases(call)) ?? [];
    while (!isStopped()) {
      const records = await deps.files.inTurn(() => archiveSome(deps, call, policy, openUseCases));
      if (records === 0) break;
      round.archives += 1;
      round.records += records;
    }
  }
  return round;
}

/**
 * Archives the oldest parts of an organisation, if they are ripe; returns their records. The file is on disk before the rows that name
 * it are committed, and the parts go after that: a crash leaves a file that nobody names, or parts that nobody needs.
 */
async function archiveSome(
  deps: ArchiveDeps,
  call: CallContext,
  policy: ArchivePolicy,
  openUseCases: readonly string[],
): Promise<number> {
  const { organisationId } = call.actor;
  const parts = await deps.uow.read(call, (sql) => partsToArchive(sql, organisationId, maxParts));
  if (!isRipe(parts, policy, deps.clock.now())) return 0;
  const id = newId("archive", deps.clock.now());
  const sources = parts.map(({ file }) => file);
  const made = await deps.files.archive(id, organisationId, sources, { ...policy, openUseCases });
  await deps.uow.write(call, async (tx) => {
    if (await handOver(tx, id, made.archive, made.parts)) return;
    throw new PortolanError("kernel.conflict", {
      detail: "a part was archived by another process meanwhile",
    });
  });
  await deps.files.remove(made.parts.map(({ file }) => file));
  return made.archive.rows;
}

/** Pure. */
export function isRipe(
  parts: readonly { readonly record_count: number; readonly anchor_second: number }[],
  policy: ArchivePolicy,
  nowMicros: number,
): boolean {
  if (parts.length === 0) return false;
  if (parts.length >= maxParts) return true;
  const records = parts.reduce((sum, part) => sum + part.record_count, 0);
  const oldest = Math.min(...parts.map((part) => part.anchor_second));
  return records >= policy.fromRows || nowMicros / 1e6 - oldest >= policy.fromAgeMs / 1000;
}

/** After a start: removes archives that no row names, and parts whose records lie in an archive. Returns how many files went. */
export async function removeLeftovers(
  deps: ArchiveDeps,
  organisationId: Id<"organisation">,
): Promise<number> {
  const call = systemCall(deps, organisationId);
  return deps.files.inTurn(async () => {
    const archives = await deps.uow.read(call, (sql) => listArchives(sql, organisationId));
    const named = new Set(archives.map(({ file }) => file));
    const leftovers: string[] = [];
    for (const file of await deps.files.list(organisationId)) {
      const address = addressOfPart(file);
      const isNeedless = address
        ? (await deps.uow.read(call, (sql) => isArchived(sql, organisationId, address))) === true
        : archiveName.test(file) && !named.has(file);
      if (isNeedless) leftovers.push(file);
    }
    await deps.files.remove(leftovers);
    return leftovers.length;
  });
}

function systemCall(deps: ArchiveDeps, organisationId: Id<"organisation">): CallContext {
  return { actor: systemActor("control", organisationId), requestId: newId("request", deps.clock.now()) };
}
