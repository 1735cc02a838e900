/** An evaluation is what lets a version out of dev: a dev credential makes no such evidence, nor do dev data. */
export const evidenceEnvironment = "production" as const;
