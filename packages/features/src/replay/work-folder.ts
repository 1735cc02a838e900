import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { PortolanError } from "@portolan/kernel";
import type { FeatureErrorCode } from "../errors.ts";
import type { FeatureDeps } from "../views.ts";

/** What a replay works with; `signal` aborts when it took too long, or its caller is gone. */
export type TimedDeps = FeatureDeps & { readonly signal: AbortSignal };

/** Gives the work a folder of its own, which goes with it. */
export async function inWorkFolder<T>(
  { workFolder }: Pick<TimedDeps, "workFolder">,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  await mkdir(workFolder, { recursive: true });
  const folder = await mkdtemp(join(workFolder, "replay-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export function tooLarge(detail: string): PortolanError<FeatureErrorCode> {
  return new PortolanError("features.replay_too_large", {
    detail,
    mend: "Ask for fewer rows at once, those that were served about the same time together.",
  });
}
