import type { Scaling } from "../snapshot/runs-schema.ts";
import type { ScaleParameters } from "./scale-policy.ts";

/** Scaling with its defaults filled in. */
export interface ScaleTerms {
  readonly parameters: ScaleParameters;
  /** Milliseconds without a request after which the model leaves memory; absent: its own scaling never lets it. */
  readonly idleMs?: number;
}

const defaults = {
  targetUtilisation: 0.7,
  queuedRowsPerWorker: 64,
  upPerStep: 2,
  downPerStep: 1,
  stabilisationMs: 60_000,
};
const defaultIdleSeconds = 300;

/**
 * What one model is given that several routes may share: as much as the most demanding of them states; as long as one of them wants it in
 * memory it stays there. Pure.
 * @param stated of each route that uses the model; undefined where a deployment says nothing
 * @param most workers of one model in this process
 */
export function scaleTermsOf(stated: readonly (Scaling | undefined)[], most: number): ScaleTerms {
  const all = (stated.length === 0 ? [undefined] : stated).map((scaling) => termsOf(scaling, most));
  const idle = all.map(({ idleMs }) => idleMs);
  const parameters = all.map((terms) => terms.parameters);
  const idleMs = idle.every((ms) => ms !== undefined) ? Math.max(...idle) : undefined;
  return {
    parameters: {
      minimum: Math.max(...parameters.map(({ minimum }) => minimum)),
      maximum: Math.max(...parameters.map(({ maximum }) => maximum)),
      targetUtilisation: Math.min(...parameters.map((one) => one.targetUtilisation)),
      queuedRowsPerWorker: Math.min(...parameters.map((one) => one.queuedRowsPerWorker)),
      upPerStep: Math.max(...parameters.map(({ upPerStep }) => upPerStep)),
      downPerStep: Math.min(...parameters.map(({ downPerStep }) => downPerStep)),
      stabilisationMs: Math.max(...parameters.map(({ stabilisationMs }) => stabilisationMs)),
    },
    ...(idleMs === undefined ? {} : { idleMs }),
  };
}

function termsOf(scaling: Scaling | undefined, most: number): ScaleTerms {
  if (!scaling) return { parameters: { ...defaults, minimum: 1, maximum: most } };
  const { minimum, maximum, stabilisationSeconds, idleSeconds = defaultIdleSeconds, ...stated } = scaling;
  return {
    parameters: {
      ...defaults,
      ...stated,
      ...(stabilisationSeconds === undefined ? {} : { stabilisationMs: stabilisationSeconds * 1000 }),
      minimum: Math.min(most, Math.max(1, minimum)),
      maximum: Math.min(most, maximum),
    },
    ...(minimum === 0 ? { idleMs: idleSeconds * 1000 } : {}),
  };
}
