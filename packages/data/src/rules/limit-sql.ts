/** A day, counted from 1970, as SQL. */
export function dateLimitSql(days: number): string {
  return `(date '1970-01-01' + ${days})`;
}

/** A time of day, in microseconds since midnight, as SQL. */
export function timeLimitSql(micros: number): string {
  return `(time '00:00:00' + to_microseconds(${micros}))`;
}
