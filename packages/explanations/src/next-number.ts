const words = new DataView(new ArrayBuffer(8));

/** The neighbouring number of the row's own precision. */
export function nextNumber(value: number, direction: 1 | -1, precise: boolean): number {
  if (value === 0) return direction * (precise ? Number.MIN_VALUE : 2 ** -149);
  const away = value > 0 === direction > 0;
  if (precise) {
    words.setFloat64(0, value);
    words.setBigInt64(0, words.getBigInt64(0) + (away ? 1n : -1n));
    return words.getFloat64(0);
  }
  words.setFloat32(0, value);
  words.setInt32(0, words.getInt32(0) + (away ? 1 : -1));
  return words.getFloat32(0);
}
