import { digestJson, type JsonObject, type JsonValue } from "@portolan/kernel";
import type { ModelReference, Route } from "./snapshot/schema.ts";

/** A version of a route by its name and bytes. */
function versionOf({ name, version, digest }: ModelReference): JsonObject {
  return { name, version, digest };
}

/**
 * Everything of a deployment that changes how it answers, but for the version that it is the deployment of: limits, fallbacks, resilience,
 * batching, scaling, tiers, traffic, features, other versions beside it. Equal configurations of two versions, and of two endpoints, are equal
 * JSON. Pure.
 */
export function servingConfig(route: Route): JsonObject {
  const { charter, limits, purposes, durability, nonFinite, nonFiniteOutputs, placement, fallbacks } = route;
  const { resilience, variants, traffic, cache, batching, scaling, backends, secondary, features } = route;
  const { snapshotAge } = route;
  const config = {
    charter: charter?.digest ?? null,
    limits,
    purposes,
    durability,
    nonFinite,
    nonFiniteOutputs,
    placement,
    fallbacks,
    resilience,
    variants: variants.map(({ model, ...variant }) => ({ ...variant, model: versionOf(model) })),
    traffic: traffic && sharesOf(traffic),
    cache,
    batching,
    scaling,
    backends: backends && {
      ...backends,
      order: backends.order.map(({ model, ...backend }) => ({
        ...backend,
        model: model.digest === route.model.digest ? "own" : versionOf(model),
      })),
    },
    secondary: secondary && { ...secondary, model: versionOf(secondary.model) },
    features,
    snapshotAge,
  };
  // What a route leaves out is no member: JSON has no undefined.
  return JSON.parse(JSON.stringify(config)) as { [name: string]: JsonValue };
}

/**
 * Without the seed, which is the endpoint's id: it says who gets which, not how much of which. Of whom a rule names, how many and the digest of
 * their sorted list: ids of people are no part of what leaves the installation.
 */
function sharesOf({ rules, split, sticky }: NonNullable<Route["traffic"]>): object {
  const counted = rules.map(({ values, ...rule }) => ({
    ...rule,
    values: { count: values.length, digest: digestJson(values.toSorted()) },
  }));
  return { rules: counted, split, sticky };
}

/** A version that requests to a route may meet, and as what. */
export interface NamedVersion {
  readonly name: string;
  readonly version: number;
  /** champion, secondary, or the name of a variant. */
  readonly role: string;
}

/** Champion, variants and secondary of a route, each version once, the champion first; neither the version before nor forms for other hardware. Pure. */
export function namedVersions({
  model,
  secondary,
  variants,
}: Pick<Route, "model" | "secondary" | "variants">): NamedVersion[] {
  const all = [
    { ...pair(model), role: "champion" },
    ...variants.map((one) => ({ ...pair(one.model), role: one.name })),
    ...(secondary ? [{ ...pair(secondary.model), role: "secondary" }] : []),
  ];
  return all.filter(
    (one, at) => all.findIndex(({ name, version }) => name === one.name && version === one.version) === at,
  );
}

function pair({ name, version }: ModelReference): { readonly name: string; readonly version: number } {
  return { name, version };
}
