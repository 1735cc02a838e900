/** Half-precision numbers are held as their bits, as ONNX and the protocol's binary form have them. */
const number = new Float16Array(1);
const bits = new Uint16Array(number.buffer);

/** The bits of the nearest half-precision number; beyond 65,504 those of an infinity. */
export function halfBits(value: number): number {
  number[0] = value;
  return bits[0] ?? 0;
}

/** The number that these 16 bits are. */
export function halfNumber(value: number): number {
  bits[0] = value;
  return number[0] ?? Number.NaN;
}
