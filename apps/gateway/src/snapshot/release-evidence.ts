import { PortolanError, type SigningKey } from "@portolan/kernel";
import {
  missingEvidence,
  type VerifiedStatement,
  verifyAttestation,
  versionFiles,
} from "@portolan/registry/policy";
import type { ModelReference, Route } from "@portolan/serving/contract";
import type { ServingErrorCode } from "@portolan/serving/policy";

type Place = Pick<Route, "organisationId" | "environment">;

/**
 * Whether versions may be where a snapshot puts them, by the attestations that it names: outside dev a version loads only where signed statements show
 * that it was promoted there, how it was trained, and that its gates passed. Control judged the same; a gateway does not have to believe it.
 */
export class ReleaseEvidence {
  readonly #read: (digest: string) => Promise<Uint8Array>;
  readonly #bundles = new Map<string, Uint8Array>();
  /** What was shown, under the keys of one snapshot. */
  readonly #shown = new WeakMap<readonly SigningKey[], Set<string>>();

  /** @param read bytes by their digest, verified against it */
  constructor(read: (digest: string) => Promise<Uint8Array>) {
    this.#read = read;
  }

  /** Whether it is shown by what was read before; without touching disk or network. */
  isShown(place: Place, reference: ModelReference, keys: readonly SigningKey[]): boolean {
    return place.environment === "dev" || this.#judge(place, reference, keys).length === 0;
  }

  /**
   * Reads what is missing, and judges.
   * @throws EvidenceAbsent when the snapshot names nothing yet: a promotion is attested a moment after it was made
   * @throws PortolanError `serving.model_refused`, with what is missing
   */
  async require(place: Place, reference: ModelReference, keys: readonly SigningKey[]): Promise<void> {
    if (place.environment === "dev") return;
    const { name, version, attestations = [] } = reference;
    if (attestations.length === 0) throw new EvidenceAbsent(reference, place);
    for (const { digest } of attestations)
      if (!this.#bundles.has(digest)) this.#bundles.set(digest, await this.#read(digest));
    const faults = this.#judge(place, reference, keys);
    if (faults.length === 0) return;
    throw new PortolanError<ServingErrorCode>("serving.model_refused", {
      detail: `${name}/${version}: ${faults.join("; ")}`,
      mend: `See what is attested of it: portolan model verify ${name} ${version} --for ${place.environment}.`,
    });
  }

  /** Forgets what these versions do not name. */
  keepOnly(references: readonly ModelReference[]): void {
    const named = new Set(
      references.flatMap(({ attestations = [] }) => attestations.map(({ digest }) => digest)),
    );
    for (const digest of this.#bundles.keys()) if (!named.has(digest)) this.#bundles.delete(digest);
  }

  /** What is missing or wrong. */
  #judge(place: Place, reference: ModelReference, keys: readonly SigningKey[]): string[] {
    const { name, version, digest, prompt, attestations = [] } = reference;
    const shown = this.#shown.get(keys) ?? new Set();
    this.#shown.set(keys, shown);
    const key = JSON.stringify([
      place.organisationId,
      place.environment,
      name,
      version,
      digest,
      prompt,
      attestations,
    ]);
    if (shown.has(key)) return [];
    const { statements, faults } = this.#verified(reference, keys);
    const release = {
      organisationId: place.organisationId,
      environment: place.environment,
      model: name,
      version,
    };
    const missing = missingEvidence(statements, release);
    if (missing.length === 0) shown.add(key);
    return missing.length === 0 ? [] : [...missing, ...faults];
  }

  #verified(reference: ModelReference, keys: readonly SigningKey[]) {
    const { name, digest: artifact, upstream, prompt, attestations = [] } = reference;
    const files = versionFiles({ artifact, isUpstream: upstream !== undefined, prompt });
    const statements: VerifiedStatement[] = [];
    const faults: string[] = [];
    for (const { digest, signedAt } of attestations) {
      const bundle = this.#bundles.get(digest);
      if (!bundle) continue;
      const trust = { keys, signedAt: signedAt as SigningKey["validFrom"] };
      const verdict = verifyAttestation(bundle, { name, files }, trust);
      if (verdict.kind === "invalid") faults.push(`a statement does not count: ${verdict.reason}`);
      else statements.push({ digest, predicateType: verdict.predicateType, predicate: verdict.predicate });
    }
    return { statements, faults };
  }
}

/** Nothing was refused: what shows that a version may be there is not here yet. */
export class EvidenceAbsent extends PortolanError<ServingErrorCode> {
  constructor({ name, version }: ModelReference, { environment }: Place) {
    super("serving.model_unavailable", {
      detail: `Nothing shows yet that ${name}/${version} may be in ${environment}.`,
      mend: `Its promotion is attested within seconds. Of an older one: portolan model attestations ${name} ${version} --request, or promote it again.`,
    });
  }
}
