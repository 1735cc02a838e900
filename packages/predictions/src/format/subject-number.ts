/** The number that a subject's key reads as. */
export interface SubjectNumber {
  /** Compares values of a datatype; of one whose values do not tell the number from its neighbours, nothing is equal. */
  readonly equals: (datatype: string) => (value: number | bigint) => boolean;
  /** A JSON number, as it is written. */
  readonly isWritten: (token: string) => boolean;
}

/** Whole numbers up to here are told apart: beyond, another person's may read as the same. */
const mostTold: Readonly<Record<string, number>> = {
  FP64: Number.MAX_SAFE_INTEGER,
  FP32: 2 ** 24 - 1,
  FP16: 2 ** 11 - 1,
  BF16: 2 ** 8 - 1,
};

/** `4711` and `4711.0` are the same number, of as many digits as an integer of 64 bits has; nothing of other keys. Pure. */
export function subjectNumber(subject: string): SubjectNumber | undefined {
  const whole = wholeOf(subject);
  if (whole === undefined && !/^-?\d{1,16}\.\d{1,16}$/.test(subject)) return undefined;
  const number = Number(subject);
  return {
    equals: (datatype) => {
      const most = mostTold[datatype];
      if (most === undefined) return (value) => whole !== undefined && BigInt(value) === whole;
      if (Math.abs(number) > most) return () => false;
      const rounded = datatype === "FP32" ? Math.fround(number) : number;
      return (value) => value === rounded;
    },
    isWritten: (token) => whole !== undefined && wholeOf(token) === whole,
  };
}

function wholeOf(text: string): bigint | undefined {
  const digits = /^(-?\d{1,20})(?:\.0+)?$/.exec(text)?.[1];
  return digits === undefined ? undefined : BigInt(digits);
}
