import type { CountedTensor } from "./drift-counter.ts";

/** The numbers of a tensor; half-precision elements are held as their bits, and counted as what those are. Pure. */
export function numbersOf({ datatype, data }: Omit<CountedTensor, "name">): CountedTensor["data"] {
  if (!(data instanceof Uint16Array)) return data;
  // A view: nothing is copied.
  if (datatype === "FP16") return new Float16Array(data.buffer, data.byteOffset, data.length);
  return datatype === "BF16" ? brainNumbers(data) : data;
}

/** BF16 is the upper half of a single-precision number. */
function brainNumbers(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] as number) << 16;
  return new Float32Array(bits.buffer);
}
