import { onnxLimits } from "./limits.ts";
import { malformed, type WireReader } from "./wire.ts";

/** Numbers of one attribute: the nodes of a large forest. */
const mostNumbers = 20_000_000;

/** The attributes of one node that are numbers or text. */
export class NodeAttributes {
  readonly #numbers = new Map<string, readonly number[]>();
  readonly #texts = new Map<string, readonly string[]>();

  read(reader: WireReader): void {
    let name = "";
    const numbers: number[] = [];
    const texts: string[] = [];
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) name = reader.text();
      else if (field === 3) numbers.push(reader.integer());
      else if (field === 4 || field === 9) texts.push(reader.text());
      else if (field === 5)
        for (const number of readNumberTensor(reader.message())?.numbers ?? []) numbers.push(number);
      else if (field === 2 || field === 7) reader.floats(numbers, mostNumbers);
      else if (field === 8) reader.integers(numbers, mostNumbers);
      else reader.skip();
      if (texts.length > mostNumbers) throw malformed(`lists more than ${mostNumbers} texts in "${name}"`, 0);
    }
    this.#numbers.set(name, numbers);
    this.#texts.set(name, texts);
  }

  /** Of the attribute as a list or, where the file gives them in doubles, as a tensor; empty where it is absent. */
  numbers(name: string): readonly number[] {
    const listed = this.#numbers.get(name) ?? [];
    return listed.length > 0 ? listed : (this.#numbers.get(`${name}_as_tensor`) ?? []);
  }

  texts(name: string): readonly string[] {
    return this.#texts.get(name) ?? [];
  }
}

/** A tensor of floats or doubles; `undefined` of any other, and of one with more numbers than asked for. */
export function readNumberTensor(
  reader: WireReader,
  most = mostNumbers,
): { readonly dims: readonly number[]; readonly numbers: number[] } | undefined {
  const dims: number[] = [];
  const numbers: number[] = [];
  let elementType = 0;
  let raw: Uint8Array | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) reader.integers(dims, onnxLimits.dimensions);
    else if (field === 2) elementType = reader.integer();
    else if (field === 4) reader.floats(numbers, mostNumbers);
    else if (field === 10) reader.doubles(numbers, mostNumbers);
    else if (field === 9) raw = reader.bytes();
    else reader.skip();
  }
  const width = elementType === 1 ? 4 : elementType === 11 ? 8 : 0;
  // Tensors of other types belong to other operators.
  if (width === 0) return undefined;
  if (!raw) return { dims, numbers };
  if (raw.length / width > most) return undefined;
  if (raw.length % width !== 0) throw malformed("holds part of a number in a tensor", 0);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  for (let at = 0; at < raw.length; at += width)
    numbers.push(width === 4 ? view.getFloat32(at, true) : view.getFloat64(at, true));
  return { dims, numbers };
}
