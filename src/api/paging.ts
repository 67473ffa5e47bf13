import type { PageQuery } from '../contract/index.ts';

/** The largest page; a list never holds more, whatever `limit` asks for (S50). */
const MAX_LIMIT = 100;

/** The page that a query asks for, cut down to what is served. */
export const pageOf = ({ page, limit }: PageQuery): PageQuery => ({ page, limit: Math.min(limit, MAX_LIMIT) });

/** A list as every list is answered: `pages` is at least 1, for an empty one too. */
export const listAnswer = <T>(docs: T[], total: number, { page, limit }: PageQuery) => ({
  docs,
  total,
  limit,
  page,
  pages: Math.ceil(total / limit) || 1,
});
