/** An exact integer: a number where a double holds it, which is nearly always, else a bigint. Pure. */
export type Whole = number | bigint;

/** As it is stored: a number, or decimal text. Equal integers have one form. */
export type StoredWhole = number | string;

export function plus(one: Whole, other: Whole): Whole {
  if (typeof one === "number" && typeof other === "number") {
    const sum = one + other;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return BigInt(one) + BigInt(other);
}

export function square(value: Whole): Whole {
  if (typeof value === "number") {
    const product = value * value;
    if (Number.isSafeInteger(product)) return product;
  }
  return BigInt(value) * BigInt(value);
}

export function readWhole(stored: StoredWhole): Whole {
  return typeof stored === "number" ? stored : BigInt(stored);
}

export function storedWhole(value: Whole): StoredWhole {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}
