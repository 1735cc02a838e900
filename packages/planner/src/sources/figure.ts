/** One thing that an article states in figures, and what they come to when they are reckoned again. */
export interface SourceFigure {
  /** Which of the four articles that this product answers; two where they differ from each other. */
  readonly articles: readonly Article[];
  readonly topic: string;
  /** What goes in, in the article's own figures. */
  readonly inputs: string;
  readonly computed: readonly Computed[];
  /** What the article says came out. */
  readonly stated: string;
  readonly verdict: "agrees" | "differs" | "mislabelled";
  /** Where they do not agree: how, and which of both plans here use. */
  readonly note?: string;
}

export interface Computed {
  readonly value: number;
  /** `$/month`, `%`, `x`, `GPUs`, … */
  readonly unit: string;
}

export const articles = {
  stack: "The Enterprise AI Infrastructure Stack: From Proof of Concept to Production",
  production: "Enterprise AI infrastructure: from proof of concept to production",
  operations: "Defining the Operational Scope of Enterprise AI",
  cloud: "Building AI-Friendly Cloud Architectures: Infrastructure Specializations That Matter",
} as const;
export type Article = keyof typeof articles;

export function of(unit: string, ...values: readonly number[]): Computed[] {
  return values.map((value) => ({ value, unit }));
}

/** Shares as percent. */
export function percent(...shares: readonly number[]): Computed[] {
  return of("%", ...shares.map((share) => 100 * share));
}
