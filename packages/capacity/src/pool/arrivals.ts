import { gpuMilliOf, type Machine, milliPerGpu, type Pod } from "./machines.ts";

/**
 * The pods of a trace in a random order, sampled again until they ask for a multiple of the cards that there are: clones of random ones are added, or
 * random ones are left out.
 *
 * @param load share of all cards that is asked for at the end; 1.3 in the published experiments
 */
export function arrivals(
  machines: readonly Machine[],
  pods: readonly Pod[],
  load: number,
  random: () => number,
): Pod[] {
  const wanted = load * milliPerGpu * machines.reduce((sum, { gpus }) => sum + gpus, 0);
  const all = [...pods];
  let asked = all.reduce((sum, pod) => sum + gpuMilliOf(pod), 0);
  while (asked < wanted && pods.length > 0) {
    const pod = pods[Math.floor(random() * pods.length)];
    if (!pod) break;
    all.push(pod);
    asked += gpuMilliOf(pod);
    // Of pods without cards alone nothing would ever be enough.
    if (asked === 0 && all.length > 2 * pods.length) break;
  }
  shuffle(all, random);
  while (asked > wanted && all.length > 0) {
    const pod = all.pop();
    asked -= pod ? gpuMilliOf(pod) : 0;
  }
  return all;
}

/** Fisher and Yates. */
function shuffle(pods: Pod[], random: () => number): void {
  for (let last = pods.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const [a, b] = [pods[last], pods[other]];
    if (a && b) [pods[last], pods[other]] = [b, a];
  }
}
