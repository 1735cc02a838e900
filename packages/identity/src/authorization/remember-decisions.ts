import type { Decision } from "@portolan/kernel";
import type { PolicyEngine } from "./policy-engine.ts";

/** A trainer that logs, or a page that is read again and again, asks the same question; a decision is a few hundred bytes. */
const mostKept = 1_000;

/**
 * An engine that remembers its latest decisions. One costs up to milliseconds and depends on nothing but the policies and what is
 * passed to it, all of which is in the key, so that none is ever outdated: changed roles are other facts, changed policies another engine.
 */
export function rememberDecisions(engine: PolicyEngine, most = mostKept): PolicyEngine {
  const kept = new Map<string, Decision>();
  return {
    policies: engine.policies,
    decide: (principal, action, resource, { purpose, onBehalfOf } = {}) => {
      const key = JSON.stringify([action, principal, resource, purpose ?? null, onBehalfOf ?? null]);
      const call = {
        ...(purpose === undefined ? {} : { purpose }),
        ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
      };
      const decision = kept.get(key) ?? engine.decide(principal, action, resource, call);
      // Put last again: the one that was asked for longest ago goes first.
      kept.delete(key);
      kept.set(key, decision);
      const oldest = kept.size > most ? kept.keys().next().value : undefined;
      if (oldest !== undefined) kept.delete(oldest);
      return decision;
    },
  };
}
