import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { api } from '../api.ts';
import { Icon } from './icons.tsx';

const RENEW_MS = 20_000;

/** The picture of a moment ago, where the server can make one. */
export function Still({ id, onAir }: { readonly id: string; readonly onAir: boolean }): ReactNode {
  const [url, setUrl] = useState<string | null>(null);
  const { data, isError } = useQuery({
    queryKey: ['still', id],
    queryFn: () => api.blob(`live_streams/${id}/still`),
    enabled: onAir,
    retry: false,
    staleTime: RENEW_MS,
    refetchInterval: ({ state }) => (state.error ? false : RENEW_MS),
  });
  useEffect(() => {
    if (!data) return;
    const made = URL.createObjectURL(data);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [data]);
  return (
    <span className="still" data-live={onAir || undefined}>
      {onAir && url && !isError ? <img src={url} alt="" /> : <Icon name="live" size={20} />}
    </span>
  );
}
