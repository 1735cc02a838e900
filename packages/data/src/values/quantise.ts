/** Digits after the point that a contract may keep of a number. */
export const mostDigits = 9;

/** Up to here the product is nearer to its units than a half: beyond 2^51, where doubles are a half apart, it is not always. */
const mostUnits = 2 ** 51;

/** As a double, exactly. */
function unitsPerOne(scale: number): number {
  return Number(`1e${scale}`);
}

/**
 * A number rounded to a scale: to the double that is nearest to so many units of its last digit, halves up. Undefined where it has more than 2^51
 * of them. A decimal of that scale is unchanged. The same steps as `quantisedSql`, hence the same bits. Pure.
 */
export function quantise(value: number, scale: number): number | undefined {
  const units = unitsPerOne(scale);
  return Math.abs(value) <= mostUnits / units ? Math.floor(value * units + 0.5) / units : undefined;
}

/** SQL of `quantise` for a DOUBLE expression. */
export function quantisedSql(value: string, scale: number): string {
  const units = `'${unitsPerOne(scale)}'::double`;
  const most = `'${mostUnits / unitsPerOne(scale)}'::double`;
  return `(case when abs(${value}) <= ${most} then floor((${value}) * ${units} + '0.5'::double) / ${units} end)`;
}
