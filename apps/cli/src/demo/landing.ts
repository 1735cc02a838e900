import {
  addMicros,
  type EpochMicros,
  isPortolanError,
  microsPerSecond,
  PortolanError,
  parseInstant,
} from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";
import { check, ended } from "./narrator.ts";
import { ingest, landedFile } from "./source.ts";
import type { World } from "./world.ts";

/**
 * Moments of the first day that lands while the demo runs; the flights of the next minutes are replayed at each. Online values only move
 * forward, so a demo that is run again replays the first day that was not replayed yet.
 */
const firstDay = ["2001-04-10T15:00:00Z", "2001-04-10T21:00:00Z"].map(parseInstant);
const microsPerDay = 86_400 * microsPerSecond;
const newerOnline = "features.newer_values_online";
/** To the end of June, where the data ends. */
const replayableDays = 80;
/** The moments of the first day whose values can go online; one view tells for all. */
export async function nextDay(world: World): Promise<EpochMicros[]> {
  for (let day = 0; day < replayableDays; day++) {
    const moments = firstDay.map((moment) => addMicros(moment, day * microsPerDay));
    const [first] = moments;
    if (first === undefined) break;
    try {
      const [probe = ""] = viewNames(world);
      await materializeView(world, probe, { asOf: first, datasetId: world.datasetId });
      return moments;
    } catch (error) {
      if (!isPortolanError(error) || error.code !== newerOnline) throw error;
    }
  }
  throw new PortolanError<CliErrorCode>("cli.check_failed", {
    detail: "every day of the data was replayed already",
    mend: "Start anew in an empty state folder.",
  });
}

/** What has become known since goes into the feature logs, and online as of the moment. */
export async function land(world: World, after: EpochMicros, moment: EpochMicros): Promise<number> {
  const { datasetId, counts } = await ingest(world, [
    { object: await landedFile(world, after, moment), format: "parquet" },
  ]);
  await materialize(world, moment, datasetId);
  return counts?.accepted ?? 0;
}

/** All views at once: each has a log of its own. */
async function materialize(world: World, asOf: EpochMicros, datasetId: string): Promise<void> {
  await Promise.all(viewNames(world).map((name) => materializeView(world, name, { asOf, datasetId })));
}

function viewNames({ heldOut }: World): string[] {
  return (heldOut?.views ?? []).map(({ view }) => view.split("@")[0] ?? view);
}

async function materializeView(
  { cast }: World,
  name: string,
  of: { readonly asOf: EpochMicros; readonly datasetId: string | undefined },
): Promise<void> {
  const { mara } = cast.as;
  const started = await mara.json<{ id: string }>({
    path: `/v1/feature-views/${name}/materializations`,
    body: { environment: "production", ...of },
  });
  const { state, failure = "" } = await ended(
    () =>
      mara.json<{ readonly state: string; readonly failure?: string }>({
        path: `/v1/materializations/${started.id}`,
      }),
    ["done", "failed", "cancelled"],
  );
  check(state === "done", `materialising ${name} ended as ${state}: ${failure}`);
}
