import { ActionIcon, Button, Group, Paper, Stack, Switch, Text, Tooltip } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import type { Platform, PlatformStatus } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { Badge, type Tone } from '../parts/badge.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { Empty } from '../parts/empty.tsx';
import { bitrate, clockOf, count, duration } from '../parts/format.ts';
import { Icon } from '../parts/icons.tsx';
import { useComplain } from '../parts/toast.tsx';
import { type TabProps, useChange } from './change.ts';
import { PlatformForm } from './platform-form.tsx';

/** Where else the live stream goes, and how it fares there. */
export function Platforms({ stream }: TabProps): ReactNode {
  const [form, setForm] = useState<Platform | 'new' | null>(null);
  const add = (
    <Button leftSection={<Icon name="plus" size={16} />} onClick={() => setForm('new')}>
      Add a platform
    </Button>
  );
  return (
    <>
      {stream.platforms.length === 0 ? (
        <Empty
          title="Goes nowhere else yet"
          text="While this live stream is on air, it can also be pushed to YouTube, Facebook, Twitch and any other RTMP server: as it comes in, and none waits for another."
        >
          {add}
        </Empty>
      ) : (
        <Stack gap="sm">
          <Group justify="flex-end">{add}</Group>
          {stream.platforms.map((platform) => (
            <Card key={platform._id} stream={stream} platform={platform} edit={() => setForm(platform)} />
          ))}
        </Stack>
      )}
      {form && <PlatformForm stream={stream} platform={form === 'new' ? null : form} close={() => setForm(null)} />}
    </>
  );
}

const STATES: Record<PlatformStatus['state'], readonly [Tone, string]> = {
  connecting: ['quiet', 'Connecting'],
  online: ['live', 'Online'],
  retrying: ['warn', 'Trying again'],
  refused: ['bad', 'Refused'],
  stalled: ['warn', 'Stalled'],
  offline: ['quiet', 'Offline'],
};

function Card(props: TabProps & { readonly platform: Platform; readonly edit: () => void }): ReactNode {
  const { stream, platform, edit } = props;
  const { status } = platform;
  const [removing, setRemoving] = useState(false);
  const complain = useComplain();
  const path = `live_streams/${stream._id}/platforms/${platform._id}`;
  const toggling = useChange(stream._id, (enabled: boolean) => api.patch(path, { enabled }));
  const restarting = useChange(stream._id, () => api.post(`${path}/restart`), 'Connecting anew.');
  const removal = useChange(stream._id, () => api.delete(path), 'The platform is removed.');
  const [tone, word] = platform.enabled ? STATES[status?.state ?? 'offline'] : (['quiet', 'Paused'] as const);
  const onAir = platform.enabled && status !== undefined && status.state !== 'offline';
  return (
    <Paper p="md" className="platform" aria-label={platform.name} component="section">
      <Group gap="md" wrap="nowrap" align="flex-start">
        <Stack gap={4} style={{ flex: 1, minWidth: 0 }}>
          <Group gap="xs">
            <Text fw={600} className="clip">
              {platform.name}
            </Text>
            <Badge tone={tone}>{word}</Badge>
          </Group>
          <Text size="sm" c="dimmed" className="wrap">
            {platform.server} · {platform.key || 'no key'}
          </Text>
          {onAir && (
            <Text size="sm" c="dimmed">
              {status.uptime_s !== null && `${bitrate(status.bitrate)} · for ${duration(status.uptime_s)}`}
              {status.dropped > 0 && ` · ${count(status.dropped)} messages dropped: it takes less than is sent`}
              {status.uptime_s === null && status.next_retry && `Next try at ${clockOf(status.next_retry)}`}
            </Text>
          )}
          {platform.enabled && status?.last_error && status.state !== 'online' && (
            <Text size="sm" className="wrong">
              {status.last_error.message} <span className="soft">({clockOf(status.last_error.at)})</span>
            </Text>
          )}
        </Stack>
        <Group gap={2} wrap="nowrap">
          <Switch
            aria-label={`Push to ${platform.name}`}
            checked={platform.enabled}
            onChange={(event) => toggling.mutate(event.currentTarget.checked, { onError: complain })}
            mr={6}
          />
          {onAir && (
            <Action label="Restart" icon="rotate" act={() => restarting.mutate(undefined, { onError: complain })} />
          )}
          <Action label="Edit" icon="edit" act={edit} />
          <Action label="Remove" icon="trash" act={() => setRemoving(true)} />
        </Group>
      </Group>
      <Confirm
        opened={removing}
        title={`Remove ${platform.name}?`}
        text="The push to it ends at once, and its key is forgotten. Viewers and the other platforms notice nothing."
        button="Remove"
        close={() => setRemoving(false)}
        act={() => removal.mutateAsync()}
      />
    </Paper>
  );
}

const Action = (props: {
  readonly label: string;
  readonly icon: 'rotate' | 'edit' | 'trash';
  readonly act: () => void;
}) => (
  <Tooltip label={props.label}>
    <ActionIcon variant="subtle" color="gray" c="dimmed" size="lg" aria-label={props.label} onClick={props.act}>
      <Icon name={props.icon} size={17} />
    </ActionIcon>
  </Tooltip>
);
