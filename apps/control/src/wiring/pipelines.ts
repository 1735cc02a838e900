import type { ResidencyCheck } from "@portolan/data";
import { PipelineController, type PipelineDeps, startDueRuns } from "@portolan/pipelines";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";
import { type ElsewhereParts, madeElsewhere } from "./made-elsewhere.ts";

export interface PipelineWiring {
  readonly pipelines: PipelineDeps;
  /** Moves open runs on. */
  readonly steer: () => Promise<void>;
  /** Begins those whose time has come. */
  readonly startDue: () => Promise<void>;
}

/** Pipelines take the ways that people take: each stage is the use case of the domain that has it. */
export function wirePipelines(
  base: Foundation,
  { authorizer, directory }: IdentityWiring,
  parts: ElsewhereParts & { readonly residency: ResidencyCheck },
): PipelineWiring {
  const { work, clock, log } = base;
  const pipelines: PipelineDeps = {
    work,
    clock,
    authorizer,
    places: directory.places,
    artifacts: parts.registry.artifacts,
    placement: parts.residency,
    ...madeElsewhere(base, parts),
  };
  const ofAll = { ...pipelines, log, organisations: () => directory.organisations() };
  const controller = new PipelineController(ofAll);
  return { pipelines, steer: () => controller.round(), startDue: () => startDueRuns(ofAll) };
}
