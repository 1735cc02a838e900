import {
  benjaminiHochbergAdjusted,
  chiSquaredContingency,
  chiSquaredUpperTail,
  fisherGrown,
  jensenShannonDistance,
  type KsResult,
  kolmogorovUpperTail,
  ksFromCounts,
  ksTwoSample,
  populationStability,
  smirnovUpperTail,
  wassersteinDistance,
} from "../src/index.ts";

/** What is asked of scipy and of ours: `test/clients/oracles/drift_statistics.py` reads the same. */
export type OracleCase =
  | {
      readonly kind: "ks";
      readonly a: readonly number[];
      readonly b: readonly number[];
      readonly method: "auto" | "exact" | "asymp";
    }
  | {
      readonly kind: "ksCounts" | "stability" | "jensenShannon";
      readonly a: readonly number[];
      readonly b: readonly number[];
    }
  | { readonly kind: "kolmogorov" | "smirnov"; readonly n: number; readonly x: number }
  | { readonly kind: "chiSquared"; readonly x: number; readonly dof: number }
  | { readonly kind: "contingency"; readonly rows: readonly (readonly number[])[] }
  | {
      readonly kind: "wasserstein";
      readonly a: readonly number[];
      readonly b: readonly number[];
      readonly aWeights: readonly number[];
      readonly bWeights: readonly number[];
    }
  | { readonly kind: "benjaminiHochberg"; readonly p: readonly number[] }
  | {
      readonly kind: "fisher";
      readonly now: readonly [number, number];
      readonly before: readonly [number, number];
    };

/** Our numbers for a case, in the order of the script's. */
export function ourAnswer(one: OracleCase): number[] {
  switch (one.kind) {
    case "ks":
      return ksAnswer(ksTwoSample(one.a, one.b, one.method === "asymp" ? "asymptotic" : one.method));
    case "ksCounts":
      return ksAnswer(ksFromCounts(one.a, one.b));
    case "kolmogorov":
      return [kolmogorovUpperTail(one.n, one.x)];
    case "smirnov":
      return [smirnovUpperTail(one.n, one.x)];
    case "chiSquared":
      return [chiSquaredUpperTail(one.x, one.dof)];
    case "contingency": {
      const { statistic, dof, p } = chiSquaredContingency(one.rows);
      return [statistic, dof, p];
    }
    case "stability": {
      const { psi, debiased, p } = populationStability(one.a, one.b);
      return [psi, debiased, p];
    }
    case "jensenShannon":
      return [jensenShannonDistance(one.a, one.b)];
    case "wasserstein":
      return [
        wassersteinDistance(
          { values: one.a, weights: one.aWeights },
          { values: one.b, weights: one.bWeights },
        ),
      ];
    case "benjaminiHochberg":
      return benjaminiHochbergAdjusted(one.p);
    case "fisher": {
      const [now, before] = [one.now, one.before].map(([cases, of]) => ({ cases, of }));
      if (!now || !before) throw new Error("a case without its shares");
      return [fisherGrown(now, before)];
    }
  }
}

function ksAnswer({ statistic, p }: KsResult): number[] {
  return [statistic, p];
}

/** The law of up to 140 values is 1 − cdf where p is 5e-4 and above: ours and scipy's have the absolute error of that cdf. */
const absolute: Partial<Record<OracleCase["kind"], number>> = { kolmogorov: 1e-14, ks: 1e-14 };

/** Sentences about each number of ours that is further from scipy's than 1e-12 of it, beyond the smallest normal double. */
export function disagreement(one: OracleCase, ours: readonly number[], theirs: readonly number[]): string[] {
  const lengths = ours.length === theirs.length ? [] : [`${one.kind}: ${ours.length} numbers`];
  const wrong = theirs.flatMap((want, at) => {
    const value = ours[at] ?? Number.NaN;
    const allowed = 1e-12 * Math.abs(want) + (absolute[one.kind] ?? 0) + 1e-300;
    return Math.abs(value - want) <= allowed
      ? []
      : [
          `${JSON.stringify(one).slice(0, 300)} [${at}]: ${value}, not ${want} (${Math.abs(value / want - 1)})`,
        ];
  });
  return [...lengths, ...wrong];
}
