import { setImmediate as nextTurn } from "node:timers/promises";
import type { PrincipalFacts, ResourceFacts } from "./authorization/facts.ts";
import { createPolicyEngine, type PolicyEngine } from "./authorization/policy-engine.ts";
import type { PolicyFile } from "./authorization/policy-files.ts";

/**
 * Decisions of the policy set, kept from one snapshot to the next: a decision costs up to milliseconds and depends on
 * nothing but the policies and the facts, so it is remembered under exactly these and never outdated. Snapshots are made every
 * other second, and most of them change nothing.
 */
export interface DecisionMemory {
  /** Starts a pass over one organisation and environment. */
  begin(organisationId: string, environment: string, policies: OwnPolicies): DecisionPass;
  /** How often the policy set was asked so far. */
  readonly asked: number;
}

export interface OwnPolicies {
  readonly version: number;
  readonly files: readonly PolicyFile[];
}

export interface DecisionPass {
  allows(principal: PrincipalFacts, action: string, resource: ResourceFacts): Promise<boolean>;
  /** What this pass did not ask for is forgotten. */
  end(): void;
}

interface Kept {
  readonly policyVersion: number;
  readonly decisions: ReadonlyMap<string, boolean>;
}

/** Everything else that control does waits while the policy set thinks; after this long it gets its turn. */
const turnMs = 10;

export function createDecisionMemory(): DecisionMemory {
  const kept = new Map<string, Kept>();
  const engines = new Map<string, { readonly version: number; readonly engine: PolicyEngine }>();
  let asked = 0;

  function engineOf(organisationId: string, { version, files }: OwnPolicies): PolicyEngine {
    const known = engines.get(organisationId);
    if (known?.version === version) return known.engine;
    // Cedar keeps a policy set under its name for ever: two names, for this version and for a pass still at the one before.
    const engine = createPolicyEngine(`snapshot/${organisationId}/${String(version % 2)}`, files);
    engines.set(organisationId, { version, engine });
    return engine;
  }

  return {
    get asked() {
      return asked;
    },
    begin(organisationId, environment, policies) {
      const place = `${organisationId}/${environment}`;
      const before = kept.get(place);
      const known =
        before?.policyVersion === policies.version ? before.decisions : new Map<string, boolean>();
      const used = new Map<string, boolean>();
      const texts = new WeakMap<object, string>();
      let turnEnds = performance.now() + turnMs;
      const textOf = (value: object): string => {
        const text = texts.get(value) ?? JSON.stringify(value);
        texts.set(value, text);
        return text;
      };
      return {
        async allows(principal, action, resource) {
          const key = `${action}\n${textOf(principal)}\n${textOf(resource)}`;
          let allowed = used.get(key) ?? known.get(key);
          if (allowed === undefined) {
            if (performance.now() > turnEnds) {
              await nextTurn();
              turnEnds = performance.now() + turnMs;
            }
            asked++;
            allowed = engineOf(organisationId, policies).decide(principal, action, resource).allowed;
          }
          used.set(key, allowed);
          return allowed;
        },
        end: () => void kept.set(place, { policyVersion: policies.version, decisions: used }),
      };
    },
  };
}
