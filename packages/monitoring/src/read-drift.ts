import {
  type Authorizer,
  type CallContext,
  environmentsAllowing,
  type ObjectStore,
  PortolanError,
  parseDigest,
  type UnitOfWork,
} from "@portolan/kernel";
import { cellLabels } from "./cells.ts";
import type { DriftCounts, ProfiledColumn, ReferenceProfile } from "./contract.ts";
import { splitCounts } from "./drift-counter.ts";
import { findProfile, listWindows, type ProfileRow, type StoredWindow } from "./store.ts";

export interface ReadDriftDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
}

export interface DriftQuery {
  readonly endpoint: string;
  /** Event time, epoch microseconds, both inclusive; windows whose start lies between. */
  readonly from?: number;
  readonly to?: number;
}

/** A week of windows of one version; a wider question is answered from the newest ones. */
const mostWindows = 2016;

/** What was counted at an endpoint, by version and variant, beside the references. Nothing is judged. */
export async function readDrift(
  deps: ReadDriftDeps,
  call: CallContext,
  query: DriftQuery,
): Promise<DriftCounts[]> {
  const { organisationId } = call.actor;
  const environments = await environmentsAllowing(deps.authorizer, call, "predictions:read", {
    type: "Prediction",
    organisationId,
  });
  const filter = { ...query, organisationId, environments, limit: mostWindows };
  const windows = await deps.work.read(call, (sql) => listWindows(sql, filter));
  const visible: StoredWindow[] = [];
  for (const window of windows) if (await maySee(deps, call, window)) visible.push(window);
  const groups = Map.groupBy(visible, ({ part }) =>
    [part.environment, part.endpointId, part.variant, part.model, part.version, part.profile].join(" "),
  );
  return Promise.all([...groups.values()].map((group) => countsOf(deps, group)));
}

async function maySee(deps: ReadDriftDeps, call: CallContext, { part }: StoredWindow): Promise<boolean> {
  const { environment, useCaseId } = part;
  const { organisationId } = call.actor;
  const { allowed } = await deps.authorizer.decide(call, "predictions:read", {
    type: "Prediction",
    organisationId,
    useCaseId,
    environment,
  });
  return allowed;
}

async function countsOf(deps: ReadDriftDeps, group: readonly StoredWindow[]): Promise<DriftCounts> {
  const first = group[0]?.part;
  if (!first) throw new PortolanError("kernel.internal", { detail: "a group without windows" });
  const profile = await readProfile(deps.objects, first.profile);
  const total: number[] = [];
  for (const { counts } of group)
    counts.forEach((count, cell) => {
      total[cell] = (total[cell] ?? 0) + count;
    });
  const { environment, endpoint, variant, model, version } = first;
  const columns = splitCounts([...profile.inputs, ...profile.outputs], total).map(shown);
  return {
    environment,
    endpoint,
    variant,
    model,
    version,
    profile: first.profile,
    rows: group.reduce((sum, { part }) => sum + part.rows, 0),
    estimatedRows: group.reduce((sum, { part }) => sum + part.rows * part.oneIn, 0),
    windows: group.map(({ part }) => ({ start: part.windowStart, rows: part.rows, oneIn: part.oneIn })),
    inputs: columns.slice(0, profile.inputs.length),
    outputs: columns.slice(profile.inputs.length),
  };
}

function shown({ column, counts }: { readonly column: ProfiledColumn; readonly counts: readonly number[] }) {
  return { reference: column, cells: cellLabels(column), counts: [...counts] };
}

async function readProfile(objects: ObjectStore, text: string): Promise<ReferenceProfile> {
  const digest = parseDigest(text);
  if (!digest) throw new PortolanError("kernel.internal", { detail: `${text} is no digest` });
  return JSON.parse(Buffer.from(await objects.get(digest)).toString("utf8")) as ReferenceProfile;
}

/** A version's newest profile with what signs it; `undefined` while it has none. */
export async function readVersionProfile(
  deps: ReadDriftDeps,
  call: CallContext,
  model: string,
  version: number,
): Promise<{ readonly row: ProfileRow; readonly profile: ReferenceProfile } | undefined> {
  const { organisationId } = call.actor;
  const row = await deps.work.read(call, (sql) => findProfile(sql, organisationId, model, version));
  return row && { row, profile: await readProfile(deps.objects, row.digest) };
}
