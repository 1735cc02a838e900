/** The last one of each name that waits or works. */
const last = new Map<string, Promise<unknown>>();

/**
 * Work of one name at a time, in the order in which it came. Transactions that keep events of one place read and write the same count: side by side all but
 * one would be run again, later and later.
 */
export async function inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
  const before = last.get(name) ?? Promise.resolve();
  const own = before.then(work, work);
  last.set(name, own);
  try {
    return await own;
  } finally {
    if (last.get(name) === own) last.delete(name);
  }
}
