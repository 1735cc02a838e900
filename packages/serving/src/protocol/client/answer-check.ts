import type { ModelSignature, TensorSpec } from "@portolan/onnx-format";
import { badRequest } from "../bad-request.ts";
import type { Tensor, TensorData } from "../tensor.ts";

/** An output whose claims fit the signature; its data has yet to fill the shape. */
export interface ExpectedOutput {
  readonly spec: TensorSpec;
  readonly shape: readonly number[];
}

/**
 * Checks the outputs of another server's answer against the signature that it was registered with, whichever protocol they came by:
 * each once, of its datatype and a shape that fits.
 */
export class AnswerCheck {
  readonly #signature: ModelSignature;
  readonly #found = new Map<string, Tensor>();

  constructor(signature: ModelSignature) {
    this.#signature = signature;
  }

  /**
   * @returns `undefined` for outputs beyond the registered ones, which are nobody's
   * @throws PortolanError `serving.bad_request`
   */
  expect(
    claimed: { readonly name: unknown; readonly datatype: unknown; readonly shape: unknown },
    pointer: string,
  ): ExpectedOutput | undefined {
    const spec = this.#signature.outputs.find(({ name }) => name === claimed.name);
    if (!spec) return undefined;
    if (this.#found.has(spec.name)) throw unfit(`"${spec.name}" comes twice.`, pointer);
    if (claimed.datatype !== spec.datatype)
      throw unfit(`"${spec.name}" is not ${spec.datatype}.`, `${pointer}/datatype`);
    if (!fits(claimed.shape, spec))
      throw unfit(`The shape of "${spec.name}" is not [${spec.shape.join(", ")}].`, `${pointer}/shape`);
    return { spec, shape: claimed.shape };
  }

  add({ spec: { name, datatype }, shape }: ExpectedOutput, data: TensorData): void {
    this.#found.set(name, { name, datatype, shape, data });
  }

  /** All outputs in the signature's order. */
  finish(): Tensor[] {
    return this.#signature.outputs.map(({ name }) => {
      const tensor = this.#found.get(name);
      if (!tensor) throw unfit(`The answer lacks "${name}".`, "/outputs");
      return tensor;
    });
  }
}

function fits(shape: unknown, spec: TensorSpec): shape is readonly number[] {
  return (
    Array.isArray(shape) &&
    shape.length === spec.shape.length &&
    shape.every(
      (dim: unknown, at) =>
        typeof dim === "number" &&
        Number.isSafeInteger(dim) &&
        dim >= 0 &&
        (spec.shape[at] === -1 || spec.shape[at] === dim),
    )
  );
}

/** The caller of this maps it: to whom the answer was promised, no request of theirs is at fault. */
export function unfit(detail: string, pointer: string): Error {
  return badRequest(detail, pointer, "Register what the server serves now.");
}
