/** What becomes of NaN and infinities; `missing`: they count as values that are absent. */
export const nonFinitePolicies = ["refuse", "missing", "fallback"] as const;
export type NonFinitePolicy = (typeof nonFinitePolicies)[number];

/** What a charter's word on NaN and infinities means, for people. */
export const nonFiniteStatements = {
  inputs: {
    refuse: "A request with NaN or infinity is refused.",
    missing: "NaN and infinity in a request count as missing values.",
    fallback: "The fallback answers requests with NaN or infinity.",
  },
  outputs: {
    refuse: "An answer with NaN or infinity is not given out.",
    missing: "NaN in an answer stands for a missing value.",
    fallback: "The fallback answers where the model says NaN or infinity.",
  },
} as const;
