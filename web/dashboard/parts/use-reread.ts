import { useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';

/** Reads anew all that was read under `key`; for after a change. */
export function useReread(key: string): () => Promise<void> {
  const queries = useQueryClient();
  return useCallback(() => queries.invalidateQueries({ queryKey: [key] }), [queries, key]);
}
