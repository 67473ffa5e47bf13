import { Button, Paper, Text } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { Event, EventList } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { Badge, type Tone } from '../parts/badge.tsx';
import { Empty } from '../parts/empty.tsx';
import { timeOf } from '../parts/format.ts';
import { Problem } from '../parts/problem.tsx';
import type { TabProps } from './change.ts';

const PAGE = 50;

const TONES: Readonly<Record<string, Tone>> = {
  'stream-connected': 'live',
  'stream-reconnected': 'good',
  'stream-platform-connected': 'good',
  'stream-warning-cleared': 'good',
  'stream-reconnecting': 'warn',
  'stream-warning': 'warn',
  'stream-platform-error': 'bad',
};

/** What happened to the live stream, newest first. */
export function EventsTab({ stream }: TabProps): ReactNode {
  const query = useInfiniteQuery({
    queryKey: ['events', stream._id],
    queryFn: ({ pageParam }) =>
      api.get<EventList>(`live_streams/${stream._id}/events`, { page: pageParam, limit: PAGE }),
    initialPageParam: 1,
    getNextPageParam: ({ page, pages }) => (page < pages ? page + 1 : undefined),
  });
  if (query.error) return <Problem error={query.error} retry={() => void query.refetch()} />;
  const events = query.data?.pages.flatMap(({ docs }) => docs) ?? [];
  if (query.data && events.length === 0)
    return (
      <Empty
        title="Nothing has happened lately"
        text="What happens to this live stream stands here for 30 days; webhooks tell your own server of it."
      />
    );
  return (
    <Paper component="ul" className="rows" aria-label="Events of this live stream">
      {events.map((event) => (
        <Entry key={event.id} event={event} />
      ))}
      {query.hasNextPage && (
        <li>
          <Button
            variant="subtle"
            fullWidth
            loading={query.isFetchingNextPage}
            onClick={() => void query.fetchNextPage()}
          >
            Show older ones
          </Button>
        </li>
      )}
    </Paper>
  );
}

function Entry({ event }: { readonly event: Event }): ReactNode {
  const name = event.event;
  return (
    <li>
      <details className="entry">
        <summary>
          <span className="entry-line">
            <Badge tone={TONES[name] ?? 'quiet'}>{name.replace(/^stream-/, '').replaceAll('-', ' ')}</Badge>
            <Text size="sm" className="entry-text wrap">
              {detailOf(event)}
            </Text>
            <Text size="xs" c="dimmed">
              {timeOf(event.created_at)}
            </Text>
          </span>
        </summary>
        <pre>{JSON.stringify(event, null, 2)}</pre>
      </details>
    </li>
  );
}

/** What an event is about, in a line: a reason, a message, who it was. */
function detailOf({ payload }: Event): string {
  const at = (value: unknown, ...path: string[]): string | undefined => {
    for (const key of path) value = (value as Record<string, unknown> | undefined)?.[key];
    return typeof value === 'string' ? value : undefined;
  };
  const reason = at(payload, 'reason');
  return (
    at(payload, 'warning', 'message') ??
    [at(payload, 'platform', 'name'), at(payload, 'error', 'message')].filter(Boolean).join(': ') ??
    ''
  ).concat(reason ? ` ${reason.replaceAll('_', ' ')}` : '');
}
