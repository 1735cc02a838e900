/** The five operational anti-patterns that keep proofs of concept from production, in the second article's order. */
export const antiPatternNames = [
  "notebook-as-api",
  "manual-promotion",
  "feature-divergence",
  "system-metrics-only",
  "gpu-over-provisioning",
] as const;
