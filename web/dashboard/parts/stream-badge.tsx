import type { ReactNode } from 'react';
import type { LiveStream } from '../../../src/contract/index.ts';
import { useLiveState } from '../updates.tsx';
import { Badge } from './badge.tsx';

/** Whether a live stream is on air: as it is told, else as the API last said. */
export function useOnAir(stream: Pick<LiveStream, '_id' | 'enabled' | 'broadcasting_status'>) {
  const told = useLiveState(stream._id);
  const state = told?.state ?? (stream.broadcasting_status === 'online' ? 'live' : 'offline');
  return { state, told: state === 'offline' ? undefined : told } as const;
}

export function StreamBadge({ stream }: { readonly stream: LiveStream }): ReactNode {
  const { state } = useOnAir(stream);
  if (state === 'live') return <Badge tone="live">Live</Badge>;
  if (state === 'reconnecting') return <Badge tone="warn">Encoder away</Badge>;
  return stream.enabled ? <Badge tone="quiet">Offline</Badge> : <Badge tone="quiet">Stopped</Badge>;
}
