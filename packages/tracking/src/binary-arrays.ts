// One-dimensional arrays without nulls as PostgreSQL's binary protocol has them (`array_recv`, src/backend/utils/adt/arrayfuncs.c):
// dimensions, whether there are nulls, the type of the elements, length and lower bound; then each element's length and bytes. Text costs
// both sides more: a thousand numbers are printed here and read again there.

const int4 = 23;
const int8 = 20;
const float8 = 701;
const headBytes = 20;

/** As `integer[]`; the numbers must be whole and fit in 32 bits. */
export function int4Array(numbers: readonly number[]): Buffer {
  return arrayOf(int4, 4, numbers, (view, at, value) => view.setInt32(at, value));
}

/** As `bigint[]`; the numbers must be safe integers. */
export function int8Array(numbers: readonly number[]): Buffer {
  return arrayOf(int8, 8, numbers, (view, at, value) => {
    view.setInt32(at, Math.floor(value / 2 ** 32));
    view.setUint32(at + 4, value % 2 ** 32);
  });
}

/** As `double precision[]`, NaN and infinities included. */
export function float8Array(numbers: readonly number[]): Buffer {
  return arrayOf(float8, 8, numbers, (view, at, value) => view.setFloat64(at, value));
}

function arrayOf(
  type: number,
  size: number,
  numbers: readonly number[],
  put: (view: DataView, at: number, value: number) => void,
): Buffer {
  const bytes = Buffer.alloc(headBytes + numbers.length * (4 + size));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setInt32(0, 1);
  view.setInt32(8, type);
  view.setInt32(12, numbers.length);
  view.setInt32(16, 1);
  let at = headBytes;
  for (const value of numbers) {
    view.setInt32(at, size);
    put(view, at + 4, value);
    at += 4 + size;
  }
  return bytes;
}
