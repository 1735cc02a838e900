import { admitsModel, type Free, type Machine } from "./machines.ts";
import type { TypicalPod } from "./typical-pods.ts";

/** The kinds of pods that could use cards of one model, side by side in arrays: this is where a simulation spends its time. */
interface Kinds {
  /** Share of the pods that use no card of this model, whatever is free. */
  readonly never: number;
  /** Different asked-for thousandths of a card. */
  readonly millis: readonly number[];
  readonly share: readonly number[];
  readonly cpuMilli: readonly number[];
  readonly gpus: readonly number[];
  /** Of each kind, which of `millis` it asks for. */
  readonly milliAt: readonly number[];
}

function kindsFor(typical: readonly TypicalPod[], machine: Machine): Kinds {
  const able = typical.filter(({ pod }) => pod.gpus > 0 && admitsModel(pod, machine));
  const millis = [...new Set(able.map(({ pod }) => pod.gpuMilli))];
  return {
    never: typical.reduce((sum, kind) => sum + (able.includes(kind) ? 0 : kind.share), 0),
    millis,
    share: able.map(({ share }) => share),
    cpuMilli: able.map(({ pod }) => pod.cpuMilli),
    gpus: able.map(({ pod }) => pod.gpus),
    milliAt: able.map(({ pod }) => millis.indexOf(pod.gpuMilli)),
  };
}

/** What machines are good for, measured by the kinds of pods that come. */
export class Workload {
  readonly #typical: readonly TypicalPod[];
  readonly #kinds = new Map<string | undefined, Kinds>();

  constructor(typical: readonly TypicalPod[]) {
    this.#typical = typical;
  }

  /**
   * Thousandths of cards of one machine that a pod drawn from the workload could not use (Weng et al., "Beware of Fragmentation", ATC 2023, section 4):
   * all that is free where it does not fit at all or asks for no card, and else what is free on cards with less than it asks of each.
   */
  fragmentMilli(free: Free): number {
    const { gpuMilli, cpuMilli } = free;
    let left = 0;
    for (const milli of gpuMilli) left += milli;
    if (left === 0) return 0;
    const kinds = this.#kindsFor(free.machine);
    const enough: number[] = [];
    const tooLittle: number[] = [];
    for (const asked of kinds.millis) {
      let cards = 0;
      let milliLeft = 0;
      for (const milli of gpuMilli)
        if (milli >= asked) cards++;
        else milliLeft += milli;
      enough.push(cards);
      tooLittle.push(milliLeft);
    }
    let sum = kinds.never * left;
    for (let kind = 0; kind < kinds.share.length; kind++) {
      const at = kinds.milliAt[kind] ?? 0;
      const fits = cpuMilli >= (kinds.cpuMilli[kind] ?? 0) && (enough[at] ?? 0) >= (kinds.gpus[kind] ?? 0);
      sum += (kinds.share[kind] ?? 0) * (fits ? (tooLittle[at] ?? 0) : left);
    }
    return sum;
  }

  /**
   * What a machine is still worth: for each kind of pod its share, what it asks of cards, and a concave power of how many more of it would fit, so that
   * the first of a kind counts most.
   */
  remainingWorth(free: Free, exponent: number): number {
    const { gpuMilli, cpuMilli } = free;
    const kinds = this.#kindsFor(free.machine);
    const parts = kinds.millis.map((asked) => {
      let sum = 0;
      for (const milli of gpuMilli) sum += Math.floor(milli / asked);
      return sum;
    });
    let worth = 0;
    for (let kind = 0; kind < kinds.share.length; kind++) {
      const at = kinds.milliAt[kind] ?? 0;
      const gpus = kinds.gpus[kind] ?? 1;
      const cpu = kinds.cpuMilli[kind] ?? 0;
      const byCards = Math.floor((parts[at] ?? 0) / gpus);
      const more = cpu === 0 ? byCards : Math.min(byCards, Math.floor(cpuMilli / cpu));
      if (more > 0) worth += (kinds.share[kind] ?? 0) * gpus * (kinds.millis[at] ?? 0) * more ** exponent;
    }
    return worth;
  }

  #kindsFor(machine: Machine): Kinds {
    const known = this.#kinds.get(machine.model);
    if (known) return known;
    const kinds = kindsFor(this.#typical, machine);
    this.#kinds.set(machine.model, kinds);
    return kinds;
  }
}
