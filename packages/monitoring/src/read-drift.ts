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
import type { DriftCounts, DriftReading, ProfiledColumn, ReferenceProfile } from "./contract.ts";
import { splitCounts } from "./drift-counter.ts";
import { findProfile, type ProfileRow } from "./store.ts";
import {
  type CountedPlace,
  type CountedSeries,
  listPlaces,
  listWindows,
  type StoredWindow,
  sumCounts,
} from "./window-store.ts";

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

/** How much one answer adds up. */
export interface ReadingBounds {
  readonly windows: number;
  /** Counts, over all windows. */
  readonly cells: number;
}

/** Two weeks of one version of sixty columns, half a day of one of two thousand: what the database adds up within seconds. */
const bounds: ReadingBounds = { windows: 8064, cells: 8_000_000 };

/** What was counted at an endpoint, by version and variant, beside the references: over the whole stretch, or its newest part. Nothing is judged. */
export async function readDrift(
  deps: ReadDriftDeps,
  call: CallContext,
  query: DriftQuery,
  most: ReadingBounds = bounds,
): Promise<DriftReading> {
  const { organisationId } = call.actor;
  const environments = await environmentsAllowing(deps.authorizer, call, "predictions:read", {
    type: "Prediction",
    organisationId,
  });
  const filter = { ...query, organisationId };
  const counted = await deps.work.read(call, (sql) => listPlaces(sql, filter, environments));
  const places: CountedPlace[] = [];
  for (const place of counted) if (await maySee(deps, call, place)) places.push(place);
  const { covered, sums } = await deps.work.read(call, async (sql) => {
    const found = newestWithin(await listWindows(sql, filter, places, most.windows + 1), most);
    const stretch = { ...filter, ...(found.from === undefined ? {} : { from: found.from }) };
    const groups = [...Map.groupBy(found.windows, seriesKey).values()];
    const summed: Summed[] = [];
    for (const windows of groups) {
      const [series] = windows;
      if (series) summed.push({ series, windows, counts: await sumCounts(sql, stretch, series) });
    }
    return { covered: found, sums: summed };
  });
  const counts: DriftCounts[] = [];
  for (const one of sums) counts.push(await countsOf(deps, query.endpoint, one));
  const { truncated, from } = covered;
  return { counts, truncated, ...(from === undefined ? {} : { coveredFrom: from }) };
}

interface Summed {
  readonly series: CountedSeries;
  readonly windows: readonly StoredWindow[];
  readonly counts: readonly number[];
}

function seriesKey(of: CountedSeries): string {
  const { environment, useCaseId, endpointId, variant, model, version, profile } = of;
  return JSON.stringify([environment, useCaseId, endpointId, variant, model, version, profile]);
}

/** The newest windows that one answer adds up, whole starts of windows only: every series is covered over the same stretch. */
function newestWithin(newestFirst: readonly StoredWindow[], most: ReadingBounds) {
  const windows: StoredWindow[] = [];
  let cells = 0;
  for (const [, same] of Map.groupBy(newestFirst, ({ windowStart }) => windowStart)) {
    cells += same.reduce((sum, window) => sum + window.cells, 0);
    const isTooMuch = windows.length + same.length > most.windows || cells > most.cells;
    if (isTooMuch && windows.length > 0) break;
    windows.push(...same);
  }
  const from = windows.at(-1)?.windowStart;
  return { windows, truncated: windows.length < newestFirst.length, from };
}

async function maySee(
  deps: ReadDriftDeps,
  call: CallContext,
  { environment, useCaseId }: CountedPlace,
): Promise<boolean> {
  const { organisationId } = call.actor;
  const { allowed } = await deps.authorizer.decide(call, "predictions:read", {
    type: "Prediction",
    organisationId,
    useCaseId,
    environment,
  });
  return allowed;
}

async function countsOf(
  deps: ReadDriftDeps,
  endpoint: string,
  { series, windows, counts }: Summed,
): Promise<DriftCounts> {
  const profile = await readProfile(deps.objects, series.profile);
  const { environment, variant, model, version } = series;
  const columns = splitCounts([...profile.inputs, ...profile.outputs], counts).map(shown);
  return {
    environment,
    endpoint,
    variant,
    model,
    version,
    profile: series.profile,
    rows: windows.reduce((sum, { rows }) => sum + rows, 0),
    estimatedRows: windows.reduce((sum, { rows, oneIn }) => sum + rows * oneIn, 0),
    windows: windows.map(({ windowStart: start, rows, oneIn }) => ({ start, rows, oneIn })),
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
