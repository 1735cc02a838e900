/** How many workers a model version may have, and how fast that may change. The same parameters fit a KEDA ScaledObject. */
export interface ScaleParameters {
  readonly minimum: number;
  readonly maximum: number;
  /** Share of the time, 0 to 1, that workers are to be busy. */
  readonly targetUtilisation: number;
  /** Rows that may wait per worker before there should be another one. */
  readonly queuedRowsPerWorker: number;
  /** Most workers that are added, and taken away, in one step. */
  readonly upPerStep: number;
  readonly downPerStep: number;
  /** For how long a smaller number has to be enough before any worker is taken away. */
  readonly stabilisationMs: number;
}

/** What was seen since the last step. */
export interface ScaleObservation {
  readonly atMs: number;
  readonly workers: number;
  /** Share of the workers' time that they computed, 0 to 1. */
  readonly utilisation: number;
  readonly queuedRows: number;
}

/** What earlier steps wished for, within the stabilisation window. */
export interface ScaleMemory {
  readonly wishes: readonly { readonly atMs: number; readonly workers: number }[];
}

export const noScaleMemory: ScaleMemory = { wishes: [] };

/**
 * The number of workers from now on. Up at once, by as much as queue or utilisation ask for; down only to what was enough during
 * the whole window, so that a load that comes and goes does not make workers come and go with it. Pure.
 */
export function decideScale(
  parameters: ScaleParameters,
  memory: ScaleMemory,
  seen: ScaleObservation,
): { readonly workers: number; readonly memory: ScaleMemory } {
  const { upPerStep, downPerStep, stabilisationMs } = parameters;
  const wish = wishOf(parameters, seen);
  const recent = memory.wishes.filter(({ atMs }) => atMs > seen.atMs - stabilisationMs);
  const wishes = [...recent, { atMs: seen.atMs, workers: wish }];
  const now = seen.workers;
  // Before a whole window was seen nothing is known to be enough.
  const isWholeWindow = memory.wishes.length > recent.length;
  const enough = Math.max(...wishes.map(({ workers }) => workers));
  const lower = isWholeWindow && enough < now ? Math.max(enough, now - downPerStep) : now;
  const workers = wish > now ? Math.min(wish, now + upPerStep) : lower;
  // One wish older than the window stays, as the proof that the window is whole.
  const oldest = memory.wishes.findLast(({ atMs }) => atMs <= seen.atMs - stabilisationMs);
  return { workers: clamp(parameters, workers), memory: { wishes: oldest ? [oldest, ...wishes] : wishes } };
}

function wishOf(parameters: ScaleParameters, { workers, utilisation, queuedRows }: ScaleObservation): number {
  const byTime = Math.ceil((workers * utilisation) / parameters.targetUtilisation - 1e-9);
  const byQueue = Math.ceil(queuedRows / parameters.queuedRowsPerWorker);
  return clamp(parameters, Math.max(byTime, Math.min(byQueue, workers + parameters.upPerStep)));
}

function clamp({ minimum, maximum }: ScaleParameters, workers: number): number {
  return Math.min(maximum, Math.max(minimum, workers));
}
