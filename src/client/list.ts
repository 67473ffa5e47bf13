/** The shape of every list of the API. */
export interface List<T> {
  readonly docs: readonly T[];
  readonly total: number;
  readonly limit: number;
  readonly page: number;
  readonly pages: number;
}

const PAGE = 100;

/**
 * Every entry of a list, asked for page by page as the loop goes on. What is created or deleted meanwhile may move the pages: an entry
 * may then come twice, and is left out the second time, or not at all.
 */
export async function* everyEntry<T extends object>(
  page: (query: { page: number; limit: number }) => Promise<List<T>>,
): AsyncGenerator<T, void, undefined> {
  const seen = new Set<unknown>();
  for (let number = 1; ; number++) {
    const { docs, pages } = await page({ page: number, limit: PAGE });
    for (const entry of docs) {
      const id = '_id' in entry ? entry._id : 'id' in entry ? entry.id : entry;
      if (seen.has(id)) continue;
      seen.add(id);
      yield entry;
    }
    if (number >= pages) return;
  }
}
