import { type Datatype, datatypes, type ModelSignature, type TensorSpec } from "@portolan/onnx-format";
import { badRequest } from "./bad-request.ts";
import { elementsOf, type Tensor, type TensorData } from "./tensor.ts";

const maxRank = 16;
/** Beyond this no body within the limits could hold the elements. */
const maxElements = 2 ** 31;

/** What a protocol's reader found at one input, before its data is read. Anything may be in it. */
export interface ClaimedInput {
  readonly name: unknown;
  readonly datatype: unknown;
  readonly shape: unknown;
}

/** An input whose claims fit the signature; its data has yet to fill the shape. */
export interface CheckedInput {
  readonly spec: TensorSpec;
  readonly shape: readonly number[];
}

/**
 * Checks the inputs of one request against what the endpoint takes, whichever protocol they came by: names,
 * datatypes, shapes, dimensions that inputs share. Pointers are those of the v2 JSON body; gRPC fields have the same names.
 */
export class SignatureCheck {
  readonly #signature: ModelSignature;
  readonly #found = new Map<string, Tensor>();
  readonly #symbols = new Map<string, number>();

  constructor(signature: ModelSignature) {
    this.#signature = signature;
  }

  /** @throws PortolanError `serving.bad_request` */
  check(claimed: ClaimedInput, pointer: string): CheckedInput {
    const spec = findSpec(claimed.name, this.#signature, pointer);
    if (this.#found.has(spec.name))
      throw badRequest(`The input "${spec.name}" comes twice.`, pointer, "Send each input once.");
    requireDatatype(claimed.datatype, spec, `${pointer}/datatype`);
    return { spec, shape: readShape(claimed.shape, spec, this.#symbols, `${pointer}/shape`) };
  }

  add({ spec, shape }: CheckedInput, data: TensorData): void {
    this.#found.set(spec.name, { name: spec.name, datatype: spec.datatype, shape, data });
  }

  /** All inputs in the signature's order. */
  finish(): Tensor[] {
    return this.#signature.inputs.map((spec) => {
      const tensor = this.#found.get(spec.name);
      if (!tensor)
        throw badRequest(
          `The input "${spec.name}" is missing.`,
          "/inputs",
          `Send ${describeTensors([spec])}.`,
        );
      return tensor;
    });
  }
}

/** @throws PortolanError `serving.bad_request` for outputs that the model lacks or that are asked twice */
export function checkOutputName(
  name: unknown,
  seen: Set<string>,
  signature: ModelSignature,
  pointer: string,
): string {
  if (typeof name !== "string" || !signature.outputs.some((output) => output.name === name))
    throw badRequest(
      "The model has no such output.",
      `${pointer}/name`,
      `Ask for ${describeTensors(signature.outputs)}.`,
    );
  if (seen.has(name)) throw badRequest(`The output "${name}" is asked twice.`, pointer, "Ask once.");
  seen.add(name);
  return name;
}

export function describeTensors(specs: readonly TensorSpec[]): string {
  const shown = specs
    .slice(0, 5)
    .map((spec) => `"${spec.name}" (${spec.datatype} [${spec.shape.join(", ")}])`);
  return shown.join(", ") + (specs.length > 5 ? ` and ${specs.length - 5} more` : "");
}

function findSpec(name: unknown, signature: ModelSignature, pointer: string): TensorSpec {
  const spec = typeof name === "string" ? signature.inputs.find((input) => input.name === name) : undefined;
  if (spec) return spec;
  const shown = typeof name === "string" ? `"${name.slice(0, 60)}"` : "without a name";
  throw badRequest(
    `The model has no input ${shown}.`,
    `${pointer}/name`,
    `Send ${describeTensors(signature.inputs)}.`,
  );
}

function requireDatatype(datatype: unknown, spec: TensorSpec, pointer: string): void {
  if (datatype === spec.datatype) return;
  const known = typeof datatype === "string" && (datatypes as readonly string[]).includes(datatype);
  throw badRequest(
    `The input "${spec.name}" is ${spec.datatype}, the request says ${known ? String(datatype) : "something else"}.`,
    pointer,
    `Send ${spec.datatype satisfies Datatype}.`,
  );
}

function readShape(
  value: unknown,
  spec: TensorSpec,
  symbols: Map<string, number>,
  pointer: string,
): number[] {
  const expected = `[${spec.shape.join(", ")}]`;
  if (!Array.isArray(value) || value.length > maxRank)
    throw badRequest(
      `The shape of "${spec.name}" is missing.`,
      pointer,
      `Send a shape that fits ${expected}.`,
    );
  const shape = value.map((dim: unknown) => {
    if (typeof dim === "number" && Number.isSafeInteger(dim) && dim >= 0) return dim;
    throw badRequest(
      `A dimension of "${spec.name}" is not a whole number.`,
      pointer,
      "Send the actual sizes.",
    );
  });
  const fits =
    shape.length === spec.shape.length &&
    shape.every((dim, i) => spec.shape[i] === -1 || spec.shape[i] === dim);
  if (!fits || elementsOf(shape) > maxElements) {
    throw badRequest(
      `The shape [${shape.join(", ")}] of "${spec.name}" does not fit ${expected}.`,
      pointer,
      "Send a shape that fits; -1 stands for any size.",
    );
  }
  if (elementsOf(shape) === 0)
    throw badRequest(`The input "${spec.name}" is empty.`, pointer, "Send at least one row.");
  shape.forEach((dim, i) => bindSymbol(spec.symbols?.[i], dim, symbols, spec.name, pointer));
  return shape;
}

/** Inputs that share a named dimension must agree on its size. */
function bindSymbol(
  symbol: string | null | undefined,
  dim: number,
  symbols: Map<string, number>,
  name: string,
  pointer: string,
): void {
  if (!symbol) return;
  const bound = symbols.get(symbol);
  if (bound !== undefined && bound !== dim)
    throw badRequest(
      `"${name}" has ${dim} where another input has ${bound} (dimension ${symbol}).`,
      pointer,
      "Send the same number of rows in every input.",
    );
  symbols.set(symbol, dim);
}
