import { Tabs, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { lazy, type ReactNode, Suspense, useEffect, useRef } from 'react';
import { Link, useLocation } from 'wouter';
import type { LiveStream } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { bitrate, count } from '../parts/format.ts';
import { Icon } from '../parts/icons.tsx';
import { PageHead } from '../parts/page-head.tsx';
import { Loaded } from '../parts/problem.tsx';
import { StreamBadge, useOnAir } from '../parts/stream-badge.tsx';
import { EventsTab } from '../stream/events.tsx';
import { Overview } from '../stream/overview.tsx';
import { Platforms } from '../stream/platforms.tsx';
import { Pull } from '../stream/pull.tsx';
import { SettingsTab } from '../stream/settings.tsx';

const TABS = [
  { tab: 'overview', label: 'Overview', body: Overview },
  { tab: 'platforms', label: 'Platforms', body: Platforms },
  { tab: 'pull', label: 'Pull', body: Pull },
  { tab: 'health', label: 'Health', body: lazy(() => import('../stream/health.tsx')) },
  { tab: 'events', label: 'Events', body: EventsTab },
  { tab: 'embed', label: 'Embed', body: lazy(() => import('../stream/embed.tsx')) },
  { tab: 'settings', label: 'Settings', body: SettingsTab },
] as const;

/** While it is looked at: platforms and pulls change without an event. */
const RENEW_MS = 4000;

/** One live stream, in tabs. */
export default function Stream({ id, tab }: { readonly id: string; readonly tab: string }): ReactNode {
  const [, go] = useLocation();
  const query = useQuery({
    queryKey: ['live_stream', id],
    queryFn: () => api.get<LiveStream>(`live_streams/${id}`),
    refetchInterval: RENEW_MS,
  });
  const chosen = TABS.some((one) => one.tab === tab) ? tab : 'overview';
  const tabs = useRef<HTMLDivElement>(null);
  const there = query.isSuccess;
  // On a phone the chosen one may lie beside the screen.
  useEffect(() => {
    const selected = there && tabs.current?.querySelector(`[aria-controls$="-panel-${chosen}"]`);
    if (selected) selected.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [chosen, there]);
  return (
    <>
      <Text size="sm" mb={6}>
        <Link href="/" className="plain soft back">
          <Icon name="back" size={14} />
          Live streams
        </Link>
      </Text>
      <Loaded query={query}>
        {(stream) => (
          <>
            <PageHead
              title={stream.name || 'Without a name'}
              badge={<StreamBadge stream={stream} />}
              lead={<Now stream={stream} />}
            />
            <Tabs
              value={chosen}
              onChange={(next) => next && go(`/streams/${id}${next === 'overview' ? '' : `/${next}`}`)}
              keepMounted={false}
            >
              <Tabs.List ref={tabs} className="tabs" mb="lg">
                {TABS.map(({ tab, label }) => (
                  <Tabs.Tab key={tab} value={tab}>
                    {label}
                  </Tabs.Tab>
                ))}
              </Tabs.List>
              {TABS.map(({ tab, body: Body }) => (
                <Tabs.Panel key={tab} value={tab}>
                  <Suspense fallback={null}>
                    <Body stream={stream} />
                  </Suspense>
                </Tabs.Panel>
              ))}
            </Tabs>
          </>
        )}
      </Loaded>
    </>
  );
}

function Now({ stream }: { readonly stream: LiveStream }): ReactNode {
  const { told } = useOnAir(stream);
  if (!told) return <code className="soft">{stream._id}</code>;
  return `${count(told.viewers)} ${told.viewers === 1 ? 'viewer' : 'viewers'} · ${bitrate(told.bitrate_kbps)}`;
}
