/** Resamples of a comparison: as many as leave p room below Holm's smallest level over nine metrics. */
export const comparisonBootstrap = { seed: 1, replicates: 4999, mostUnits: 4096 } as const;
