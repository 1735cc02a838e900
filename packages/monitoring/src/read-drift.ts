import type { CallContext } from "@portolan/kernel";
import { cellLabels } from "./cells.ts";
import type { DriftCounts, DriftReading, ProfiledColumn, ReferenceProfile } from "./contract.ts";
import { splitCounts } from "./drift-counter.ts";
import { readProfile } from "./profile-object.ts";
import { findProfile, type ProfileRow } from "./store.ts";
import { type DriftQuery, type ReadDriftDeps, visiblePlaces } from "./visible-places.ts";
import { newestWithin, type ReadingBounds, seriesKey } from "./window-series.ts";
import { type CountedSeries, listWindows, type StoredWindow, sumCounts } from "./window-store.ts";

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
  const filter = { ...query, organisationId };
  const places = await visiblePlaces(deps, call, filter);
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
