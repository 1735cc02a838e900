import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isPortolanError } from "@portolan/kernel";
import type { DriftReports, PerformanceReport } from "@portolan/monitoring/contract";
import type { RetrainingReport } from "@portolan/retraining/contract";
import { headline } from "../drift/words.ts";
import { reportPage } from "../retraining/report-page.ts";
import { until } from "./narrator.ts";
import { count, endpointName, type World } from "./world.ts";

/** What people look at in production: how good each version turned out, what has changed since it learned, and why it was trained again. */
export async function judgeStep(world: World): Promise<string[]> {
  const { otto } = world.cast.as;
  const path = `/v1/endpoints/${endpointName}`;
  const isOurs = (version: number | string) => [world.firstVersion, world.version].includes(Number(version));
  let turnedOut: string[] = [];
  let drifts: DriftReports["reports"] = [];
  // Both are counted as the blocks of the prediction log come in, by version: those of this demo's may be under way.
  await until(async () => {
    const { series } = await otto.json<PerformanceReport>({ path: `${path}/performance` });
    turnedOut = series.filter(({ version }) => isOurs(version)).flatMap(accuracyLines);
    return turnedOut.length > 0;
  }, "no version's accuracy is known from outcomes");
  await until(async () => {
    const found = await otto.json<DriftReports>({ path: `${path}/drift-report` }).catch(notYetCounted);
    drifts = (found?.reports ?? []).filter(({ version }) => isOurs(version));
    return drifts.length > 0;
  }, "nothing was counted for drift");
  return [
    ...turnedOut,
    ...drifts.map((report) => `${report.variant} version ${report.version}: ${headline(report)}`),
    `the retraining's evidence on one page: ${await retrainingPage(world)}`,
  ];
}

/** Gateways deliver their counts every few seconds. */
function notYetCounted(error: unknown): undefined {
  if (isPortolanError(error) && error.code === "monitoring.nothing_counted") return undefined;
  throw error;
}

function accuracyLines({ variant, version, bound, windows }: PerformanceReport["series"][number]): string[] {
  const newest = windows.at(-1);
  const figure = newest?.metrics.find(({ metric }) => metric === bound?.metric);
  if (!newest || !figure || !bound) return [];
  const { value, low, high } = figure;
  return [
    `${variant} version ${version}: ${bound.metric} ${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}] from ${count(newest.labels)} outcomes; the charter's ${bound.kind} is ${bound.value}: ${newest.verdict}`,
  ];
}

async function retrainingPage({ context, cast, retrainingId = "" }: World): Promise<string> {
  const report = await cast.as.lee.json<RetrainingReport>({ path: `/v1/retrainings/${retrainingId}/report` });
  const file = join(context.home, "retraining.html");
  await writeFile(file, reportPage(report));
  return file;
}
