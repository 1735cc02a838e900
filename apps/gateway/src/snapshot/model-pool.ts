import { digestBytes, PortolanError, type SigningKey } from "@portolan/kernel";
import { verifyModelBundle, versionFiles } from "@portolan/registry/policy";
import type { ModelReference, Route, Scaling } from "@portolan/serving/contract";
import {
  type LoadedModel,
  type ModelRuntime,
  type ScaleTerms,
  type ServingErrorCode,
  scaleTermsOf,
  type VerifiedModel,
} from "@portolan/serving/policy";
import type { ControlClient } from "../control-client.ts";
import type { DiskCache } from "./disk-cache.ts";
import { MemoryBudget, type MemoryBudgetOptions } from "./memory-budget.ts";
import { leastBytes, measuredIn, memoryOf } from "./model-memory.ts";
import { OnDemandModel } from "./on-demand-model.ts";
import { modelsOf } from "./serving-state.ts";

export interface ModelPoolDeps {
  readonly cache: DiskCache;
  readonly control: ControlClient;
  readonly runtime: ModelRuntime;
  readonly memory: MemoryBudgetOptions;
  /** Most workers of one model in this process. */
  readonly mostWorkers: number;
}

/** Loaded models by digest, shared by all routes that use them. */
export class ModelPool {
  readonly #deps: ModelPoolDeps;
  readonly #loaded = new Map<string, OnDemandModel>();
  readonly #memory: MemoryBudget;
  /** What each route that uses a model states of its workers, by the model's digest. */
  readonly #stated = new Map<string, (Scaling | undefined)[]>();
  /** What routes say was measured of models' memory, by the model's digest. */
  #measured: ReadonlyMap<string, number> = new Map();
  readonly #loading = new Map<string, Promise<LoadedModel>>();
  readonly #bundles = new Map<string, Uint8Array>();

  constructor(deps: ModelPoolDeps) {
    this.#deps = deps;
    this.#memory = new MemoryBudget(() => this.loaded(), deps.memory);
  }

  /**
   * The model if it is loaded already, its signature verified under the keys of the day; without touching disk or network.
   * @throws PortolanError `serving.model_refused`, `serving.model_too_large`
   */
  ready(reference: ModelReference, keys: readonly SigningKey[]): LoadedModel | undefined {
    const loaded = this.#loaded.get(reference.digest);
    const bundle = this.#bundles.get(reference.bundle.digest);
    if (!loaded || !bundle) return undefined;
    verify(reference, bundle, keys);
    if (!loaded.isLoaded) this.#requireFit(reference);
    return loaded;
  }

  /**
   * Verifies the signature under the keys of the day, and fetches and loads what is missing.
   * @throws BytesRefused when the stored or fetched bytes are other ones: a later attempt fetches them again
   * @throws PortolanError `serving.model_refused`, `serving.model_too_large`, or what the runtime throws
   * @throws ControlAway when bytes have to be fetched and control is not there or has none
   */
  async acquire(reference: ModelReference, keys: readonly SigningKey[]): Promise<LoadedModel> {
    const bundle = this.#bundles.get(reference.bundle.digest) ?? (await this.bytes(reference.bundle.digest));
    verify(reference, bundle, keys);
    this.#bundles.set(reference.bundle.digest, bundle);
    const loaded = this.#loaded.get(reference.digest);
    // One that serves goes on when it turns out too large: only loading is refused.
    if (!loaded?.isLoaded) this.#requireFit(reference);
    if (loaded) return loaded;
    const loading = this.#loading.get(reference.digest) ?? this.#load(reference, bundle, keys);
    this.#loading.set(reference.digest, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(reference.digest);
    }
  }

  /** Bytes that loaded models take, and may take (0: no bound). */
  get memory(): Pick<MemoryBudget, "heldBytes" | "maxBytes"> {
    return this.#memory;
  }

  /** Puts models to sleep that nobody asked for in a while, or that there is no room for. @param nowMs monotonic */
  sleepIdle(nowMs: number): Promise<void> {
    return this.#memory.sleepIdle(nowMs);
  }

  /** From now on models have the workers that these routes state, and take the memory that these say was measured. */
  scaleBy(routes: readonly Route[]): void {
    this.#measured = measuredIn(routes);
    this.#stated.clear();
    for (const route of routes)
      for (const { digest } of modelsOf(route))
        this.#stated.set(digest, [...(this.#stated.get(digest) ?? []), route.scaling]);
    for (const reference of routes.flatMap(modelsOf)) {
      const model = this.#loaded.get(reference.digest);
      if (!model) continue;
      model.memory = memoryOf(reference, this.#measured);
      model.terms = this.#termsOf(reference);
    }
  }

  #termsOf(reference: ModelReference): ScaleTerms {
    const most = Math.min(this.#deps.mostWorkers, this.#memory.mostCopies(this.#leastOf(reference)));
    return scaleTermsOf(this.#stated.get(reference.digest) ?? [], most);
  }

  #leastOf(reference: ModelReference): number {
    return leastBytes(memoryOf(reference, this.#measured), reference.origin);
  }

  #requireFit(reference: ModelReference): void {
    const memory = memoryOf(reference, this.#measured);
    this.#memory.requireFit(labelOf(reference), memory, reference.origin);
  }

  /** Every model that routes use, asleep or not. */
  loaded(): OnDemandModel[] {
    return [...this.#loaded.values()];
  }

  /** Unloads what no route uses any more, once its open requests are answered. */
  async keepOnly(references: readonly ModelReference[]): Promise<void> {
    const models = new Set(references.map((one) => one.digest));
    const bundles = new Set(references.map((one) => one.bundle.digest));
    for (const digest of this.#bundles.keys()) if (!bundles.has(digest)) this.#bundles.delete(digest);
    const leaving = [...this.#loaded].filter(([digest]) => !models.has(digest));
    for (const [digest] of leaving) this.#loaded.delete(digest);
    await Promise.all(leaving.map(([, model]) => model.close()));
  }

  async #load(
    reference: ModelReference,
    bundle: Uint8Array,
    keys: readonly SigningKey[],
  ): Promise<LoadedModel> {
    const model: VerifiedModel = {
      label: labelOf(reference),
      digest: reference.digest,
      signature: reference.signature,
      form: reference.upstream ? "upstream" : "onnx",
      origin: reference.origin,
      loadBytes: async () => {
        const bytes = await this.bytes(reference.digest);
        verify({ ...reference, digest: digestBytes(bytes) }, bundle, keys);
        return bytes;
      },
      ...this.#promptOf(reference),
    };
    const fresh = await this.#memory.loadWithin(this.#leastOf(reference), async () => {
      const first = new OnDemandModel(await this.#deps.runtime.load(model), {
        label: model.label,
        origin: reference.origin,
        memory: memoryOf(reference, this.#measured),
        terms: this.#termsOf(reference),
        load: async (take) => {
          this.#requireFit(reference);
          const again = async () => take(await this.#deps.runtime.load(model));
          await this.#memory.loadWithin(this.#leastOf(reference), again);
        },
      });
      this.#loaded.set(reference.digest, first);
      return first;
    });
    // It may have more copies than the one that there was room for.
    await this.#memory.makeRoom(fresh);
    return fresh;
  }

  /** Its digest is among what was verified: these bytes are what the signature is over, or none. */
  #promptOf({ prompt }: ModelReference): Pick<VerifiedModel, "loadPrompt"> {
    return prompt === undefined ? {} : { loadPrompt: () => this.bytes(prompt) };
  }

  /** Stored or fetched, and verified against the digest. A damaged copy is refused now, and fetched anew at the next attempt. */
  async bytes(digest: string): Promise<Uint8Array> {
    const cached = await this.#deps.cache.read(digest);
    if (cached.kind === "found") return cached.bytes;
    if (cached.kind === "damaged") throw new BytesRefused(`The stored bytes of ${digest} were changed.`);
    const bytes = await this.#deps.control.part(digest);
    if (digestBytes(bytes) !== digest) throw new BytesRefused(`Control sent other bytes than ${digest}.`);
    this.#deps.cache.write(digest, bytes);
    return bytes;
  }
}

function verify(reference: ModelReference, bundle: Uint8Array, keys: readonly SigningKey[]): void {
  const { digest: artifact, upstream, prompt } = reference;
  const verdict = verifyModelBundle(bundle, {
    files: versionFiles({ artifact, isUpstream: upstream !== undefined, prompt }),
    signedAt: reference.bundle.signedAt as SigningKey["validFrom"],
    keys: keys.filter((key) => key.purpose === "model"),
  });
  if (verdict.kind === "invalid") throw refused(`${labelOf(reference)}: ${verdict.reason}`);
}

export function labelOf(reference: ModelReference): string {
  return `${reference.name}/${reference.version}`;
}

const mend = "Compare the model with the registry: portolan model verify.";

function refused(detail: string): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>("serving.model_refused", { detail, mend });
}

/** Other bytes than the signed ones. Unlike a bad signature this passes when the right ones can be had. */
export class BytesRefused extends PortolanError<ServingErrorCode> {
  constructor(detail: string) {
    super("serving.model_refused", { detail, mend });
  }
}
