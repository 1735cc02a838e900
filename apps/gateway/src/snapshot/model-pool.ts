import {
  digestBytes,
  digestHex,
  messageOf,
  PortolanError,
  parseDigest,
  type SigningKey,
} from "@portolan/kernel";
import { modelFileName } from "@portolan/registry/contract";
import { verifyModelBundle } from "@portolan/registry/policy";
import type { ModelReference } from "@portolan/serving/contract";
import type { LoadedModel, ModelRuntime, ServingErrorCode, VerifiedModel } from "@portolan/serving/policy";
import type { ControlClient } from "../control-client.ts";
import { ControlAway } from "../control-client.ts";
import type { DiskCache } from "./disk-cache.ts";

export interface ModelPoolDeps {
  readonly cache: DiskCache;
  readonly control: ControlClient;
  readonly runtime: ModelRuntime;
}

/** Loaded models by digest, shared by all routes that use them. */
export class ModelPool {
  readonly #deps: ModelPoolDeps;
  readonly #loaded = new Map<string, LoadedModel>();

  constructor(deps: ModelPoolDeps) {
    this.#deps = deps;
  }

  /**
   * Verifies the signature under the keys of the day, also for a model that is loaded already, and loads if needed.
   * @throws PortolanError `serving.model_refused`, or what the runtime throws
   * @throws ControlAway when bytes have to be fetched and control is not there
   */
  async acquire(reference: ModelReference, keys: readonly SigningKey[]): Promise<LoadedModel> {
    const bundle = await this.#bytes(reference.bundle.digest);
    this.#verify(reference, bundle, keys);
    const loaded = this.#loaded.get(reference.digest);
    if (loaded) return loaded;
    const model: VerifiedModel = {
      label: labelOf(reference),
      digest: reference.digest,
      signature: reference.signature,
      origin: reference.origin,
      loadBytes: async () => {
        const bytes = await this.#bytes(reference.digest);
        this.#verify(reference, bundle, keys, bytes);
        return bytes;
      },
    };
    const fresh = await this.#deps.runtime.load(model);
    this.#loaded.set(reference.digest, fresh);
    return fresh;
  }

  /** Unloads what no route uses any more, once its open requests are answered. */
  async keepOnly(digests: ReadonlySet<string>): Promise<void> {
    const leaving = [...this.#loaded].filter(([digest]) => !digests.has(digest));
    for (const [digest] of leaving) this.#loaded.delete(digest);
    await Promise.all(leaving.map(([, model]) => model.close()));
  }

  /** Verified against its digest. A damaged copy is refused now, and fetched anew at the next attempt. */
  async #bytes(digest: string): Promise<Uint8Array> {
    const cached = await this.#deps.cache.read(digest);
    if (cached.kind === "found") return cached.bytes;
    if (cached.kind === "damaged") throw refused(`The stored bytes of ${digest} were changed.`);
    const bytes = await this.#deps.control.part(digest);
    if (digestBytes(bytes) !== digest) throw refused(`Control sent other bytes than ${digest}.`);
    this.#deps.cache.write(digest, bytes);
    return bytes;
  }

  #verify(
    reference: ModelReference,
    bundle: Uint8Array,
    keys: readonly SigningKey[],
    bytes?: Uint8Array,
  ): void {
    const digest = parseDigest(bytes ? digestBytes(bytes) : reference.digest);
    const verdict = verifyModelBundle(bundle, {
      files: [{ name: modelFileName, sha256: digest ? digestHex(digest) : "" }],
      signedAt: reference.bundle.signedAt as SigningKey["validFrom"],
      keys: keys.filter((key) => key.purpose === "model"),
    });
    if (verdict.kind === "invalid") throw refused(`${labelOf(reference)}: ${verdict.reason}`);
  }
}

function labelOf(reference: ModelReference): string {
  return `${reference.name}/${reference.version}`;
}

function refused(detail: string): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>("serving.model_refused", {
    detail,
    mend: "Compare the model with the registry: portolan model verify.",
  });
}

/** Why a model is not served, for logs and the denial record. Rethrows what is no verdict on the model. */
export function reasonOf(error: unknown): { readonly code: string; readonly detail: string } {
  if (error instanceof ControlAway) throw error;
  if (error instanceof PortolanError)
    return { code: String(error.code), detail: error.detail ?? error.message };
  return { code: "serving.model_unavailable", detail: messageOf(error) };
}
