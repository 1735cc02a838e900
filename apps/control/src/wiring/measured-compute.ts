import type { ComputeLookup } from "@portolan/evaluation";
import { findComputeProfile } from "@portolan/registry";

/** What an evaluation takes over of the profile that a version got when it was registered. */
export const measuredCompute: ComputeLookup["find"] = async (sql, versionId) => {
  const found = await findComputeProfile(sql, versionId);
  if (!found) return undefined;
  const { runtime, machine, single, memory } = found.profile;
  return {
    profile: found.digest,
    runtime,
    cpu: machine.cpu,
    cores: machine.cores,
    loadAverage: machine.loadAverage,
    ...single,
    modelBytes: memory.modelBytes,
    peakBytes: memory.peakBytes,
  };
};
