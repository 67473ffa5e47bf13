import { type Selectable, type SelectQueryBuilder, sql } from 'kysely';
import type { Tables } from './schema.ts';

/** One page of a list; `page` counts from 1. */
export interface PageOf {
  readonly page: number;
  readonly limit: number;
}

/** The page of `all`, newest first by the column `by`, and how many there are on all pages. */
export async function newestFirst<T extends keyof Tables>(
  all: SelectQueryBuilder<Tables, T, object>,
  { page, limit }: PageOf,
  by: 'created_ms' | 'started_ms' = 'created_ms',
): Promise<{ rows: Selectable<Tables[T]>[]; total: number }> {
  const [{ total }, rows] = await Promise.all([
    all.select((select) => select.fn.countAll<number>().as('total')).executeTakeFirstOrThrow(),
    all
      .selectAll()
      .orderBy(sql.ref(by), 'desc')
      .orderBy(sql.ref('id'), 'desc')
      .limit(limit)
      .offset((page - 1) * limit)
      .execute(),
  ]);
  return { rows: rows as Selectable<Tables[T]>[], total: total as number };
}
