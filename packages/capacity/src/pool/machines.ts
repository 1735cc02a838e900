/** A machine of a pool: whole thousandths of processors and of each graphics card. */
export interface Machine {
  readonly name: string;
  readonly cpuMilli: number;
  readonly memoryMib: number;
  readonly gpus: number;
  /** Of its graphics cards; absent where it has none. */
  readonly model?: string;
}

/** What a pod asks for. A share of one card, or whole cards. */
export interface Pod {
  readonly name: string;
  readonly cpuMilli: number;
  readonly memoryMib: number;
  readonly gpus: number;
  /** Of each card, 1 to 1000; 0 where it asks for none. */
  readonly gpuMilli: number;
  /** Models that will do; none: any. */
  readonly models: readonly string[];
}

export const milliPerGpu = 1000;

/** What is free on a machine. */
export interface Free {
  readonly machine: Machine;
  cpuMilli: number;
  memoryMib: number;
  /** Of each card. */
  readonly gpuMilli: number[];
}

export function allFree(machine: Machine): Free {
  const { cpuMilli, memoryMib, gpus } = machine;
  return { machine, cpuMilli, memoryMib, gpuMilli: Array<number>(gpus).fill(milliPerGpu) };
}

export function gpuMilliOf({ gpus, gpuMilli }: Pod): number {
  return gpus * gpuMilli;
}

/** Whether the pod's models admit the machine's cards; a pod without cards runs anywhere. */
export function admitsModel({ gpus, models }: Pod, { model }: Machine): boolean {
  return gpus === 0 || models.length === 0 || (model !== undefined && models.includes(model));
}

/** Whether it fits now: processors, memory, model, and enough cards with as much free on each. */
export function fits(pod: Pod, free: Free): boolean {
  if (free.cpuMilli < pod.cpuMilli || free.memoryMib < pod.memoryMib) return false;
  if (pod.gpus === 0) return true;
  if (!admitsModel(pod, free.machine)) return false;
  let enough = 0;
  for (const milli of free.gpuMilli) if (milli >= pod.gpuMilli) enough++;
  return enough >= pod.gpus;
}

/** Takes what the pod asks for from these cards. */
export function place(pod: Pod, free: Free, cards: readonly number[]): void {
  free.cpuMilli -= pod.cpuMilli;
  free.memoryMib -= pod.memoryMib;
  for (const card of cards) free.gpuMilli[card] = (free.gpuMilli[card] ?? 0) - pod.gpuMilli;
}

/** Gives it back. */
export function release(pod: Pod, free: Free, cards: readonly number[]): void {
  free.cpuMilli += pod.cpuMilli;
  free.memoryMib += pod.memoryMib;
  for (const card of cards) free.gpuMilli[card] = (free.gpuMilli[card] ?? 0) + pod.gpuMilli;
}
